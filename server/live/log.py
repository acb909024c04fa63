"""A live query's log: how its value came to be, for readers who are a little behind.

Bounded in bytes. A reader is a cursor, the number of the next entry that it wants; when that
entry is no longer kept, the reader takes a snapshot instead.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from schemas.wire.patch import Operation
from schemas.wire.position import Time
from server.core import limits
from server.live.held import encode
from server.live.patching import merge

__all__ = ["Log"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One step of the value.

    Attributes:
        time: From here on the new value is true.
        stale_from: From here on the old value was no longer known to be true; `time`, unless the
            query had to be run again.
        encoded: The operations as JSON, without the brackets around: an eighth of what they take
            as objects, and few readers are so far behind that they are to be merged.
    """

    time: Time
    stale_from: Time
    encoded: bytes


class Log:
    """The steps from one value of a live query to the next.

    Attributes:
        end: The cursor of a reader who has everything.
        bytes: The size of the steps kept.
    """

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        self._true_from = Time(0, 0)  # of the value before the first entry
        self._merged: tuple[int, int, bytes] | None = None
        self.end = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def start(self) -> int:
        """The earliest cursor that can be continued."""
        return self.end - len(self._entries)

    def append(
        self, time: Time, operations: list[Operation], snapshot_bytes: int, stale_from: Time
    ) -> None:
        """The value changed at `time`; a log larger than the snapshot it saves is cut."""
        encoded = encode(operations)[1:-1]
        self._entries.append(_Entry(time, stale_from, encoded))
        self.end += 1
        self.bytes += len(encoded)
        bound = min(limits.LOG_BYTES_MAX, max(limits.LOG_BYTES_MIN, snapshot_bytes))
        while self.bytes > bound or len(self._entries) > limits.LOG_ENTRIES_MAX:
            dropped = self._entries.popleft()
            self.bytes -= len(dropped.encoded)
            self._true_from = dropped.time

    def restart(self, time: Time) -> None:
        """The value is a new one, true from `time`; nobody can go on from an older one."""
        self._entries.clear()
        self.bytes = 0
        self.end += 1
        self._true_from = time
        self._merged = None

    def since(self, cursor: int) -> bytes | None:
        """The operations after `cursor`, as JSON without the brackets; None: take a snapshot."""
        behind = self.end - cursor
        if behind == 0:
            return b""
        if behind > len(self._entries):
            return None
        if behind == 1:
            return self._entries[-1].encoded
        if self._merged is None or self._merged[:2] != (cursor, self.end):
            self._merged = (cursor, self.end, _merged(list(self._entries)[-behind:]))
        return self._merged[2]

    def cursor_at(self, time: Time) -> int | None:
        """The cursor of a reader whose value was true at `time`; None: not known any more."""
        cursor, stale_from = self.end, None
        for entry in reversed(self._entries):
            if entry.time <= time:
                break
            cursor -= 1
            stale_from = entry.stale_from
        else:
            if time < self._true_from:
                return None
        return None if stale_from is not None and time >= stale_from else cursor

    def between(self, cursor: int, end: int) -> bytes | None:
        """Like `since`, but only up to the cursor `end`."""
        if end >= self.end:
            return self.since(cursor)
        if cursor < self.start:
            return None
        return _merged(list(self._entries)[cursor - self.start : end - self.start])


def _merged(entries: Iterable[_Entry]) -> bytes:
    """Several steps as one."""
    steps = b",".join(entry.encoded for entry in entries if entry.encoded)
    return encode(merge(orjson.loads(b"[" + steps + b"]")))[1:-1]
