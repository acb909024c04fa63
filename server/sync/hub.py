"""All sync streams of this process: who has something to say, and when it is said.

Streams are woken by the live queries they watch and spoken to once for each batch of the feed,
so that what arrived together goes out together.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from server.core import limits
from server.core.errors import Unavailable
from server.feed.events import Step
from server.store.collections import CALLS
from server.sync.frames import SharedFrames
from server.sync.stream import SyncStream

__all__ = ["Hub"]

_log = logging.getLogger("headwater")

Push = Callable[[], None]
"""Sends what a stream has to say, without waiting."""


class Hub:
    """The open streams of one process; their `Waker`.

    Attributes:
        frames: What its streams are told, as bytes that they share.
    """

    def __init__(self) -> None:
        self.frames = SharedFrames()
        self._pushes: dict[SyncStream, Push] = {}
        self._enders: dict[SyncStream, Callable[[], None]] = {}
        self._clients: dict[str, set[SyncStream]] = {}
        self._woken: set[SyncStream] = set()
        self._later: dict[SyncStream, tuple[float, asyncio.TimerHandle]] = {}
        self._flush_soon: asyncio.Task[None] | None = None
        self._closing = False

    def __len__(self) -> int:
        return len(self._pushes)

    # --- opening and closing -------------------------------------------------------------------

    def open(self, stream: SyncStream, push: Push, end: Callable[[], None]) -> None:
        """Speak for `stream` from now on, by `push`; `end` ends it.

        Raises:
            Unavailable: The server is stopping, or has as many streams as it may.
        """
        if self._closing:
            raise Unavailable("The server is stopping; connect again in a moment.")
        if len(self._pushes) >= limits.STREAMS_MAX:
            raise Unavailable("The server has as many streams as it may; connect again later.")
        self._pushes[stream] = push
        self._enders[stream] = end
        if stream.client is not None:
            self._clients.setdefault(stream.client, set()).add(stream)
        self.wake(stream)

    def close(self, stream: SyncStream) -> None:
        """Speak for `stream` no more, and leave its queries."""
        self._pushes.pop(stream, None)
        self._enders.pop(stream, None)
        self._woken.discard(stream)
        if (later := self._later.pop(stream, None)) is not None:
            later[1].cancel()
        if stream.client is not None and stream.client in self._clients:
            self._clients[stream.client].discard(stream)
            if not self._clients[stream.client]:
                del self._clients[stream.client]
        stream.close()

    def end_all(self) -> None:
        """End every stream now, and let no new one open."""
        self._closing = True
        for end in list(self._enders.values()):
            end()

    # --- waking --------------------------------------------------------------------------------

    def wake(self, stream: SyncStream) -> None:
        """`stream` may have something to say; it is asked when the feed's batch is through."""
        self._woken.add(stream)
        if self._flush_soon is None:
            self._flush_soon = asyncio.create_task(self._flush_alone())

    def wake_later(self, stream: SyncStream, seconds: float) -> None:
        """The same, after `seconds`; an earlier request stands."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds  # what uvloop gives for no time at all does not know its own
        known = self._later.get(stream)
        if known is None or known[0] > due:
            if known is not None:
                known[1].cancel()
            self._later[stream] = due, loop.call_later(seconds, self._wake_now, stream)

    def _wake_now(self, stream: SyncStream) -> None:
        self._later.pop(stream, None)
        self.wake(stream)

    async def _flush_alone(self) -> None:
        """A task of its own: a host's middleware may want to know in which it sends."""
        self._flush_soon = None
        self.flush()

    def flush(self) -> None:
        """Let every woken stream say what it has to say."""
        if self._flush_soon is not None:
            self._flush_soon.cancel()
            self._flush_soon = None
        woken, self._woken = self._woken, set()
        for stream in woken:
            if (push := self._pushes.get(stream)) is not None:
                try:
                    push()
                except Exception:  # noqa: BLE001  # one stream's failure is not the others'
                    _log.exception("A stream failed and is given up")
                    self._enders[stream]()

    def saw(self, step: Step) -> None:
        """A mutation names its client in its trace: that client's streams tell their position."""
        for group in step.groups:
            for event in group.events:
                if event.collection == CALLS and event.document is not None:
                    for stream in self._clients.get(str(event.document.get("client")), ()):
                        stream.want_progress(step.time)

    async def beat(self) -> None:
        """Let streams that have been silent too long tell their position, until cancelled."""
        while True:
            await asyncio.sleep(limits.HEARTBEAT_SECONDS / 15)
            due = time.monotonic() - limits.HEARTBEAT_SECONDS
            for stream in [one for one in self._pushes if one.spoke_at <= due]:
                stream.beat()

    def advanced(self) -> None:
        """The feed has come further."""
        self.flush()
