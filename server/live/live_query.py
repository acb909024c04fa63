"""A live query: one function with one set of arguments, and its result kept current for all.

States: it is *clean* while its value is true at the feed's position, and *stale* from the moment
that something was touched which only running the function again can answer. A stale query keeps
showing the value that was true just before.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from schemas.wire.patch import Operation
from schemas.wire.position import Time
from server.core import limits
from server.core.errors import HeadwaterError
from server.live.held import encode
from server.live.log import Log
from server.live.patching import diff
from server.live.read_set import ReadMade
from server.live.router import Part
from server.live.window import Window

__all__ = ["Cause", "LiveQuery", "Outcome", "QueryKey", "RunQuery", "Watcher", "shown"]

QueryKey = Hashable
RunQuery = Callable[[Any], Awaitable[Any]]
"""Runs the query function, reading through the reader that it is given."""

Cause = Literal[
    "subscribed", "touched", "dry", "aged", "unknown", "reset", "lost", "failed"
]  # fmt: skip
"""Why a query is run: for the first time; because something that it awaited was touched; a window
holds too little; something awaited is too old for a sliding window; a document could not be known;
a collection was dropped or renamed; history was lost; the last run, or a view, failed."""


class Watcher(Protocol):
    """Who is told when a live query has something new."""

    def touched(self, query: "LiveQuery") -> None:
        """`query` has a new value, or became stale or clean."""
        ...


@dataclass
class Outcome:
    """What one run of a query function gave.

    Attributes:
        value: The JSON value of what it returned, with null where a window's value goes.
        error: What it raised instead.
        windows: The finds to maintain, loaded.
        reads: What it awaited.
    """

    value: Any = None
    error: HeadwaterError | None = None
    windows: list[Window] = field(default_factory=list[Window])
    reads: list[ReadMade] = field(default_factory=list[ReadMade])

    @property
    def parts(self) -> list[Part]:
        """What of it can be touched."""
        return [*self.windows, *self.reads]


class LiveQuery:
    """A shared, maintained result.

    Attributes:
        key: Function, arguments and (if it asks) caller: alike for all who share it.
        name: The function's name, for logs and diagnostics.
        run: Runs the function.
        log: The steps of the value.
        windows: The maintained finds.
        reads: The read set.
        stale_from: From here on the value is not known to be true; None while clean.
        stale_since: The monotonic clock at that moment, in seconds.
        running: Whether a run is under way.
        wanted: Whether the registry still has it.
        losses: How often history was lost.
        runs: How often it was run.
        run_seconds: How long the last run of the function took.
        cause: Why it is, or was last, to be run.
        events: How many changes touched it.
        read_count: How many reads of the database it caused: by its runs, and by asking.
        asked: How many documents MongoDB was asked about for it.
        ready: Whether there is a value, or an error, to show.
        watchers: Who is told.
    """

    def __init__(self, key: QueryKey, name: str, run: RunQuery, now: float) -> None:
        self.key = key
        self.name = name
        self.run = run
        self.log = Log()
        self.windows: list[Window] = []
        self.reads: list[ReadMade] = []
        self.stale_from: Time | None = Time(0, 0)
        self.stale_since = now
        self.running = False
        self.wanted = True
        self.losses = 0
        self.runs = 0
        self.run_seconds = 0.0
        self.cause: Cause = "subscribed"
        self.events = 0
        self.read_count = 0
        self.asked = 0
        self.ready = False
        self.error: HeadwaterError | None = None
        self.watchers: set[Watcher] = set()
        self._static: Any = None
        self._snapshot: tuple[int, bytes] | None = None
        self._snapshot_bytes = 0

    @property
    def parts(self) -> list[Part]:
        """What of it can be touched."""
        return [*self.windows, *self.reads]

    @property
    def through(self) -> Time | None:
        """Up to here the value is true; None while it is clean, which is up to the feed."""
        return None if self.stale_from is None else self.stale_from.before()

    def cursor_at(self, time: Time) -> int | None:
        """The cursor of a reader whose value was true at `time`; None where that is not known."""
        if self.stale_from is not None and time >= self.stale_from:
            return None
        return self.log.cursor_at(time)

    def tell(self) -> None:
        """Tell the watchers."""
        for watcher in self.watchers:
            watcher.touched(self)

    # --- its value -----------------------------------------------------------------------------

    def value(self) -> Any:
        """The value as it is shown."""
        return shown(self._static, self.windows)

    def snapshot(self) -> bytes:
        """The JSON text of the value, made once for each step of the log."""
        if self._snapshot is None or self._snapshot[0] != self.log.end:
            self._snapshot = (self.log.end, self._encoded())
            self._snapshot_bytes = len(self._snapshot[1])
        return self._snapshot[1]

    @property
    def snapshot_size(self) -> int:
        """About how many bytes a snapshot has; a patch that is larger is not worth sending."""
        return max(self._snapshot_bytes, limits.LOG_BYTES_MIN)

    def _encoded(self) -> bytes:
        if len(self.windows) == 1 and self.windows[0].path == "":
            return self.windows[0].encoded()
        if not self.windows:
            return encode(self._static)
        return encode(self.value())

    @property
    def result_bytes(self) -> int:
        """About how many bytes its value has as JSON: what `snapshot` had, and patches since."""
        return self._snapshot_bytes

    @property
    def result_count(self) -> int:
        """How many documents, or members of lists, its value has; a single value counts as one."""
        if not self.windows:
            return _count(self._static)
        members = cast("dict[str, Any]", self._static or {}).values()
        in_lists = sum(len(cast("list[Any]", one)) for one in members if isinstance(one, list))
        return in_lists + sum(window.visible for window in self.windows)

    # --- its steps -----------------------------------------------------------------------------

    def step(self, time: Time, operations: list[Operation], since: Time | None = None) -> None:
        """The windows changed: their value is true from `time` on, the old one until `since`."""
        if operations:
            self._append(time, operations, since or time)
            self.tell()

    def stale(self, time: Time, now: float, cause: Cause = "touched") -> None:
        """From `time` on, only a new run can tell the value."""
        if self.stale_from is None:
            self.cause = cause
            self.stale_from = time
            self.stale_since = now
            self.tell()

    def freeze(self, value: Any) -> None:
        """Show `value` until the next run; the windows have lost it."""
        self._static, self.windows = value, []

    def install(
        self,
        outcome: Outcome,
        time: Time,
        stale_from: Time | None,
        now: float,
        cause: Cause = "touched",
    ) -> None:
        """Take the outcome of a run; its value is true from `time` on, until `stale_from`.

        Where it is stale already, `cause` says why.
        """
        if stale_from is not None:
            self.cause = cause
        before, was_ready, was_error = self.value(), self.ready, self.error
        gap_from = self.stale_from or time
        self.windows, self.reads, self.error = outcome.windows, outcome.reads, outcome.error
        self._static = outcome.value
        self.ready = True
        self.runs += 1
        if outcome.error is not None or was_error is not None or not was_ready:
            self.log.restart(time)
        else:
            operations = diff(before, self.value())
            if operations and operations[0]["path"] == "":
                self.log.restart(time)  # nothing of it is left
            elif operations or gap_from < time:
                self._append(time, operations, gap_from)
        self.stale_from, self.stale_since = stale_from, now
        self._snapshot = None
        self.tell()

    def lose(self, now: float, cause: Cause = "lost") -> None:
        """What happened is not known: every reader must take the snapshot of the next run."""
        self.cause = cause
        self.stale_from, self.stale_since = Time(0, 0), now
        self.ready = False
        self.losses += 1
        self.windows, self.reads = [], []
        self.log.restart(Time(0, 0))
        self.tell()

    def _append(self, time: Time, operations: list[Operation], stale_from: Time) -> None:
        size = self.log.bytes
        self.log.append(time, operations, self._snapshot_bytes, stale_from)
        self._snapshot_bytes += max(0, self.log.bytes - size)
        self._snapshot = None


def _count(value: Any) -> int:
    """How many documents a value without windows shows."""
    match value:
        case None:
            return 0
        case list():
            return len(cast("list[Any]", value))
        case dict():
            members = cast("dict[str, Any]", value).values()
            lists = [cast("list[Any]", one) for one in members if isinstance(one, list)]
            return sum(map(len, lists)) if lists else 1
        case _:
            return 1


def shown(static: Any, windows: list[Window]) -> Any:
    """The value of a query: `static`, with the windows' values in their places."""
    if len(windows) == 1 and windows[0].path == "":
        return windows[0].value()
    if not windows:
        return static
    filled = dict(static)
    for window in windows:
        filled[window.path[1:].replace("~1", "/").replace("~0", "~")] = window.value()
    return filled
