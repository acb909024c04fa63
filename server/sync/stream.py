"""One client's sync stream: a cursor into the log of each of its queries.

Pure but for the live queries that it reads: it opens no socket and owns no task. It remembers
which of its queries were touched and never walks the rest.
"""

import time
from typing import NamedTuple, Protocol

from schemas.wire.position import Position, Time
from server.core import limits
from server.core.errors import HeadwaterError
from server.live.held import encode
from server.live.live_query import LiveQuery
from server.live.registry import Registry

__all__ = ["Change", "Subscribed", "SyncStream", "Transition", "Waker"]


class Waker(Protocol):
    """Who sends a stream's transitions."""

    def wake(self, stream: "SyncStream") -> None:
        """`stream` may have something to say."""
        ...

    def wake_later(self, stream: "SyncStream", seconds: float) -> None:
        """The same, after `seconds`."""
        ...


class Change(NamedTuple):
    """What became of one query, as bytes.

    Attributes:
        id: The client's name for the query.
        body: ``"snapshot":…``, ``"patch":[…]`` or ``"error":…``, without the braces around.
        at: The position at which the value is true, where that is earlier than the transition's.
    """

    id: str
    body: bytes
    at: Position | None


class Transition(NamedTuple):
    """What moves the client to `position`."""

    position: Position
    changes: list[Change]


class Subscribed:
    """One query of a stream.

    Attributes:
        id: The client's name for it.
        query: The live query.
        cursor: Into its log; None where the client holds no value that can be continued.
        resume: Where the client's value was true, until it is known whether that helps.
        behind: Whether the client was last told that its value lags.
    """

    __slots__ = ("behind", "cursor", "id", "query", "resume")

    def __init__(self, id_: str, query: LiveQuery, resume: Position | None) -> None:
        self.id = id_
        self.query = query
        self.cursor: int | None = None
        self.resume = resume
        self.behind = False

    def settle_resume(self) -> None:
        """Find the cursor of a client that continues, now that its query is ready."""
        if self.resume is not None:
            resume, self.resume = self.resume, None
            if self.query.error is None and resume.settled:
                self.cursor = self.query.cursor_at(resume.time)


class SyncStream:
    """The state of one client's stream.

    Args:
        registry: Where its queries live.
        build: The build under which positions are given out.
        client: The client's name for itself.
        strict: Whether a query that is being run again holds the others back.

    Attributes:
        floor: Nothing is told before the feed has come here: the client has been further.
        position: How far the client has been told; None before the first transition.
        spoke_at: When it was last told anything, by the monotonic clock.
        closed: Whether it is over.
    """

    def __init__(
        self, registry: Registry, build: str, waker: Waker, client: str | None, strict: bool
    ) -> None:
        self._registry = registry
        self._build = build
        self._waker = waker
        self._strict = strict
        self._subscribed: dict[LiveQuery, list[Subscribed]] = {}
        self._touched: set[LiveQuery] = set()
        self._stale: set[LiveQuery] = set()
        self._failed: list[Change] = []
        self._wanted: Time | None = None
        self._heartbeat = False
        self.client = client
        self.closed = False
        self.floor = Time(0, 0)
        self.position: Time | None = None
        self.opened_at = self.spoke_at = time.monotonic()

    # --- its queries ---------------------------------------------------------------------------

    def add(self, subscribed: Subscribed) -> None:
        """Follow a live query; the registry was told to call `touched`."""
        query = subscribed.query
        self._failed = [one for one in self._failed if one.id != subscribed.id]
        self._subscribed.setdefault(query, []).append(subscribed)
        self.touched(query)

    def fail(self, id_: str, error: HeadwaterError) -> None:
        """Tell the client that one of its queries cannot be followed."""
        self._failed.append(Change(id_, b'"error":' + encode(error.as_json()), None))

    def close(self) -> None:
        """Leave every live query."""
        self.closed = True
        for query in self._subscribed:
            self._registry.unsubscribe(query, self)
        self._subscribed.clear()

    def touched(self, query: LiveQuery) -> None:
        """A live query has something new, or became stale or clean."""
        self._touched.add(query)
        if query.stale_from is None:
            self._stale.discard(query)
        else:
            self._stale.add(query)
        self._waker.wake(self)

    def want_progress(self, to: Time) -> None:
        """Tell when the client has come so far, even if nothing changed, and what is behind."""
        self._wanted = to
        self._waker.wake(self)

    def beat(self) -> None:
        """Tell the position next time, moved or not: the client wants to know that we live."""
        self._heartbeat = True
        self._waker.wake(self)

    # --- what comes next -----------------------------------------------------------------------

    def next(self) -> Transition | None:
        """What the client can be told now; None where nothing is new, or it is held back."""
        now = time.monotonic()
        target = self._target(now)
        if target is None:
            return self._alive(now)
        if target < self.floor:
            self._waker.wake_later(self, limits.GRACE_SECONDS)
            return None
        settled = all((query.through or target) >= target for query in self._stale)
        first = self.position is None
        progress = self._wanted is not None and target >= self._wanted
        if first or progress:
            self._touched |= self._stale  # the client wants to know what is not there yet
        changes = self._failed + self._changes(target, tells_behind=first or progress)
        self._failed = []
        due = first or self._heartbeat or (progress and target != self.position)
        if not changes and not due:
            return None
        self.position = target
        self._heartbeat = False
        if progress:
            self._wanted = None
        self.spoke_at = now
        return Transition(Position(target, self._build, settled), changes)

    def _alive(self, now: float) -> Transition | None:
        """Held back; but where a heartbeat is due, the client is told where it is already."""
        if not self._heartbeat or self.position is None:
            return None
        self._heartbeat = False
        self.spoke_at = now
        return Transition(Position(self.position, self._build, settled=False), [])

    def _target(self, now: float) -> Time | None:
        """How far the client can be moved; None: wait a little."""
        feed = self._registry.position
        if not self._stale:
            return feed
        first = self.position is None
        grace = limits.FIRST_GRACE_SECONDS if first else limits.GRACE_SECONDS
        held: list[Time] = []
        for query in self._stale:
            since = self.opened_at if first else query.stale_since
            left = since + grace - now
            if not first and query.run_seconds > grace:
                left = min(left, 0.0)  # it will not be done by then either
            if left > 0 or (self._strict and left > -limits.STRICT_SECONDS_MAX):
                held.append(query.through or feed)
                if left > 0:
                    self._waker.wake_later(self, left)
        if not held:
            return feed
        target = min(held)
        if target <= (self.position or Time(0, 0)):
            return None
        tellable = all(self._can_tell(query, target) for query in self._touched if query.ready)
        return target if tellable else None

    def _can_tell(self, query: LiveQuery, target: Time) -> bool:
        """Whether the client can be given the value that `query` had at `target`."""
        end = query.cursor_at(target)
        if end is None or end == query.log.end:
            return end is not None
        for one in self._subscribed.get(query, ()):
            one.settle_resume()
            if one.cursor is None or one.cursor < query.log.start:
                return False  # it needs a snapshot, and that is of a later value
        return True

    def _changes(self, target: Time, *, tells_behind: bool) -> list[Change]:
        changes: list[Change] = []
        waiting: set[LiveQuery] = set()
        for query in self._touched:
            if not query.ready:
                waiting.add(query)
                continue
            end = query.log.end
            if target < self._registry.position and (query.through or target) >= target:
                at_target = query.cursor_at(target)
                end = end if at_target is None else at_target
            if end < query.log.end:
                waiting.add(query)
            at = None
            if query.through is not None and query.through < target:
                at = Position(query.through, self._build)
            for one in self._subscribed.get(query, ()):
                body = _advance(one, query, end)
                if body is None and query.error is None and one.cursor is not None:
                    body = b'"patch":[]' if one.behind or (at and tells_behind) else None
                if body:
                    one.behind = at is not None
                    changes.append(Change(one.id, body, at))
        self._touched = waiting
        return changes


def _advance(one: Subscribed, query: LiveQuery, end: int) -> bytes | None:
    """Move the cursor to `end`; gives what the client must be told, None for nothing."""
    one.settle_resume()
    if one.cursor is not None and one.cursor >= end:
        return None
    if query.error is not None:
        one.cursor = query.log.end
        return b'"error":' + encode(query.error.as_json())
    if one.cursor is not None:
        operations = query.log.between(one.cursor, end)
        is_later = end < query.log.end  # then a snapshot would be of a value that is not yet due
        if operations is not None and (is_later or len(operations) <= query.snapshot_size):
            one.cursor = end
            return b'"patch":[' + operations + b"]" if operations else None
    one.cursor = query.log.end
    return b'"snapshot":' + query.snapshot()
