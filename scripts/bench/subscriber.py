"""Subscribers: raw sockets that count bytes, so that the readers are not what is measured."""

import asyncio
import re
import time
from collections.abc import Iterable
from typing import cast

__all__ = ["Subscriber", "hang_up", "quiet", "reached", "subscribe"]

CONNECT_AT_ONCE = 50
CONNECT_SECONDS_MAX = 30.0
CATCH_UP_SECONDS_MAX = 30.0
QUIET_SECONDS = 0.2
_MARK = re.compile(rb"(?P<number>\d+)@(?P<microseconds>\d+);|tok\d{8} ")
_MARK_BYTES_MAX = 48

_buffer = memoryview(bytearray(256 << 10))  # what arrives is done with before the next arrives


class Subscriber(asyncio.BufferedProtocol):
    """One subscriber.

    Attributes:
        sampled: Whether it looks at what it gets, beyond counting.
        bytes: Received since `reset`, framing included.
        reached: The number of the last write seen; of deltas, how many were seen since `reset`,
            or in the last snapshot.
        latencies_us: From just before a write was begun until it was read here.
        opened: Done with the first event.
    """

    def __init__(self, request: bytes, sampled: bool) -> None:
        self._request = request
        self._tail = b""
        self._transport: asyncio.Transport | None = None
        self.sampled = sampled
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reset()

    def reset(self) -> None:
        """Count from here."""
        self.bytes = 0
        self.reached = 0
        self.latencies_us: list[int] = []

    def close(self) -> None:
        """Leave at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: one place for all."""
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count, and where sampled look."""
        self.bytes += nbytes
        if self.sampled or not self.opened.done():
            self._look(self._tail + bytes(_buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has ended the stream."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the server ended a stream at its start"))

    def _look(self, data: bytes) -> None:
        now_us = time.monotonic_ns() // 1000
        if not self.opened.done() and b"data:" in data:
            self.opened.set_result(None)
        if b'"snapshot"' in data:
            self.reached = 0  # it tells once more what was told before
        end = 0
        for mark in _MARK.finditer(data):
            end = mark.end()
            if mark["number"]:
                self.reached = int(mark["number"])
                self.latencies_us.append(now_us - int(mark["microseconds"]))
            else:
                self.reached += 1
        self._tail = data[max(end, len(data) - _MARK_BYTES_MAX) :]


async def subscribe(port: int, path: str, count: int, sampled: int) -> list[Subscriber]:
    """Open `count` streams, of which the first `sampled` look at what they get."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    found: list[Subscriber] = []
    async with asyncio.timeout(CONNECT_SECONDS_MAX):
        while len(found) < count:
            some = [
                Subscriber(request, sampled=number < sampled)
                for number in range(len(found), min(count, len(found) + CONNECT_AT_ONCE))
            ]
            for one in some:
                await loop.create_connection(lambda one=one: one, "127.0.0.1", port)
            await asyncio.gather(*(one.opened for one in some))
            found += some
    await quiet(found)
    for one in found:
        one.reset()
    return found


async def hang_up(subscribers: Iterable[Subscriber]) -> None:
    """Close the streams."""
    for one in subscribers:
        one.close()
    await asyncio.sleep(QUIET_SECONDS)  # the server notices


async def reached(subscribers: Iterable[Subscriber], number: int) -> None:
    """Wait until every sampled subscriber has seen the write `number`.

    Raises:
        TimeoutError: One of them did not, which is a defect of the server that was measured.
    """
    sampled = [one for one in subscribers if one.sampled]
    async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
        while any(one.reached < number for one in sampled):  # noqa: ASYNC110  # costs a reader nothing
            await asyncio.sleep(0.002)


async def quiet(subscribers: Iterable[Subscriber]) -> None:
    """Wait until nobody gets anything more."""
    subscribers = list(subscribers)
    before = -1
    while (now := sum(one.bytes for one in subscribers)) != before:
        before = now
        await asyncio.sleep(QUIET_SECONDS)
