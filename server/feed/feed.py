"""The ordered feed: steps of whole groups, one after another, and how far it has come.

The feed reads one change stream and leads each step to its listener in two calls: `prepare`,
which may read the database, and `apply`, which must not wait. A batch is one step, unless it is
so large that taking it in would hold up everybody. It reopens the stream after errors; where
history is lost it says so by `gap` and goes on from now.
"""

import asyncio
import logging
import time
from collections import deque
from typing import Protocol

from pymongo.errors import AutoReconnect, PyMongoError, ServerSelectionTimeoutError

from schemas.wire.position import Time
from server.core import limits
from server.core.tasks import raise_if_cancelled
from server.feed.change_stream import Batch, HistoryLost
from server.feed.events import Group, Step

__all__ = ["Feed", "Listener", "RingOverrun", "Stream"]

_log = logging.getLogger(__name__)


class Stream(Protocol):
    """What the feed reads: a `ChangeStream`, or what is like one."""

    async def open(self) -> Batch:
        """Begin now, or go on where the last batch ended."""
        ...

    async def next(self) -> Batch:
        """The next batch; an empty one when nothing has happened for a while."""
        ...

    def forget(self) -> None:
        """Begin anew at the next `open`."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...


class Listener(Protocol):
    """Who follows the feed."""

    async def prepare(self, step: Step) -> None:
        """Read what applying `step` will need; the feed waits."""
        ...

    def apply(self, step: Step) -> None:
        """Take `step` in, without waiting. The feed's position is already the step's."""
        ...

    def advanced(self) -> None:
        """A batch has been taken in, or the position moved with no event."""
        ...

    def gap(self) -> None:
        """What happened before the feed's position is not known; read everything anew."""
        ...


class RingOverrun(Exception):
    """The events since the wanted time are no longer kept."""


class Feed:
    """The changes that a stream brings, in order, for one listener.

    Attributes:
        position: Every change up to here has been applied.
        events_seen: How many changes were taken in.
        interruptions: How often the change stream had to be opened again.
        losses: How often history was lost.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ring: deque[Group] = deque()
        self._ring_events = 0
        self._ring_lost = Time(0, 0)
        self._readers: dict[object, Time] = {}
        self._partial: Group | None = None
        self._open = False
        self._heard_at = time.monotonic()
        self._silent_since: float | None = None
        self._latest: Time | None = None
        self.position = Time(0, 0)
        self.events_seen = 0
        self.interruptions = 0
        self.losses = 0

    @property
    def healthy(self) -> bool:
        """Whether the change stream is open, and MongoDB was heard of not long ago."""
        silence = time.monotonic() - self._heard_at
        return (
            self._open and self._silent_since is None and silence < limits.FEED_SILENCE_SECONDS_MAX
        )

    @property
    def lag_seconds(self) -> float:
        """How far it is behind MongoDB, in seconds.

        To the second by the cluster's own clock; more where MongoDB has not been heard of for
        longer, or what it said is still being taken in.
        """
        behind = 0 if self._latest is None else self._latest.seconds - self.position.seconds
        return max(float(behind), time.monotonic() - self._heard_at)

    async def open(self) -> None:
        """Open the change stream for the first time; the position is known afterwards.

        A MongoDB that is slow, or just electing a primary, is asked again; one that cannot be
        reached the driver has looked for long enough.
        """
        give_up_at = time.monotonic() + limits.FEED_OPEN_SECONDS_MAX
        while not self._open:
            try:
                self.position = (await self._stream.open()).through
                self._open = True
            except AutoReconnect as error:
                raise_if_cancelled()
                if isinstance(error, ServerSelectionTimeoutError) or time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(limits.FEED_RETRY_SECONDS_MIN)
        self._heard()

    async def run(self, listener: Listener) -> None:
        """Follow the stream until cancelled. `open` comes first."""
        pause = limits.FEED_RETRY_SECONDS_MIN
        lost = False
        try:
            while True:
                try:
                    if not self._open:
                        batch = await self._stream.open()
                        self._reopened(lost, batch, listener)
                        lost = False
                    else:
                        batch = await self._stream.next()
                        pause = limits.FEED_RETRY_SECONDS_MIN
                        self._heard()
                    raise_if_cancelled()
                    await self._take(batch, listener)
                except HistoryLost as error:
                    _log.warning("Change stream lost its history: %s. Reading anew.", error)
                    self._stream.forget()
                    self._closed()
                    lost = True
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, limits.FEED_RETRY_SECONDS_MAX)
                except PyMongoError as error:
                    raise_if_cancelled()
                    if self._silent_since is None:
                        _log.warning("Change stream interrupted (%s). Reopening.", _named(error))
                    self._closed()
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, limits.FEED_RETRY_SECONDS_MAX)
                except Exception:  # noqa: BLE001  # a bug; a gap leads back to a known state
                    _log.exception("The feed failed. Reading anew.")
                    self._stream.forget()
                    self._closed()
                    lost = True
                    await asyncio.sleep(limits.FEED_RETRY_SECONDS_MAX)
        finally:
            await self._stream.close()

    def _heard(self) -> None:
        """MongoDB has answered; where it had not for a while, say for how long."""
        self._heard_at = time.monotonic()
        if self._silent_since is not None:
            _log.warning("Change stream goes on after %.1f s.", self._heard_at - self._silent_since)
            self._silent_since = None

    def _closed(self) -> None:
        self._open = False
        self._partial = None
        if self._silent_since is None:
            self._silent_since = self._heard_at
            self.interruptions += 1

    def _reopened(self, lost: bool, batch: Batch, listener: Listener) -> None:
        self._open = True
        if lost:
            self.losses += 1
            self._ring.clear()
            self._ring_events = 0
            self.position = self._ring_lost = max(batch.through, self.position)
            listener.gap()

    async def _take(self, batch: Batch, listener: Listener) -> None:
        """Take a batch in, step by step."""
        self._latest = batch.latest if batch.groups else None  # with none, this is all there is
        steps = self._steps(batch)
        for number, step in enumerate(steps):
            if number:
                await asyncio.sleep(0)  # ten thousand at one go would hold up everybody
            await listener.prepare(step)
            self.position = step.time
            for group in step.groups:
                self.events_seen += len(group.events)
                self._keep(group)
            listener.apply(step)
        listener.advanced()

    def _steps(self, batch: Batch) -> list[Step]:
        """What of a batch has not been seen before the stream was reopened, in steps."""
        steps: list[Step] = []
        groups: list[Group] = []
        events = 0
        for group in self._whole(batch):
            if group.time <= self.position:
                continue
            if events >= limits.STEP_EVENTS_MAX:
                steps.append(Step(groups[-1].time, tuple(groups)))
                groups, events = [], 0
            groups.append(group)
            events += len(group.events)
        reached = groups[-1].time if groups else self.position
        if self._partial is None:
            reached = max(reached, batch.through)
        if reached > self.position:
            steps.append(Step(reached, tuple(groups)))
        return steps

    def _whole(self, batch: Batch) -> list[Group]:
        """The groups that are complete, and in `_partial` the one that may go on."""
        groups = batch.groups
        if (partial := self._partial) is not None:
            self._partial = None
            if groups and groups[0].time == partial.time:
                groups[0].events[:0] = partial.events
            else:
                groups.insert(0, partial)
        if groups and batch.may_be_cut:
            self._partial = groups.pop()
        return groups

    # --- the ring: what happened while somebody was reading ------------------------------------

    def begin_reading(self, reader: object) -> Time:
        """Keep every group from now on, until `end_reading`; gives the position to read at."""
        self._readers[reader] = self.position
        return self.position

    def end_reading(self, reader: object) -> None:
        """Let go of what only `reader` still needed."""
        self._readers.pop(reader, None)
        oldest = min(self._readers.values(), default=self.position)
        while self._ring and self._ring[0].time <= oldest:
            self._ring_events -= len(self._ring.popleft().events)

    def since(self, time: Time) -> list[Group]:
        """The groups after `time`, where `time` was given by `begin_reading`.

        Raises:
            RingOverrun: They are no longer kept; read again.
        """
        if time < self._ring_lost:
            raise RingOverrun
        return [group for group in self._ring if group.time > time]

    def _keep(self, group: Group) -> None:
        if not self._readers:
            return
        self._ring.append(group)
        self._ring_events += len(group.events)
        while self._ring_events > limits.RING_EVENTS_MAX and self._ring:
            dropped = self._ring.popleft()
            self._ring_events -= len(dropped.events)
            self._ring_lost = dropped.time


def _named(error: PyMongoError) -> str:
    """An error's type and number; its text can hold hosts and more."""
    code = getattr(error, "code", None)
    return type(error).__name__ + (f" {code}" if code else "")
