"""A subscriber of any contender: one raw socket that counts bytes and looks for marks."""

import asyncio
import re
import time
from typing import cast

from scripts.bench.subscriber import Subscriber, quiet
from scripts.peers.opening import Opening
from scripts.peers.web_socket import pong

__all__ = ["Reader", "fetch", "subscribe"]

CONNECT_AT_ONCE = 50
CONNECT_SECONDS_MAX = 30.0
FETCH_SECONDS_MAX = 10.0
_MARK = re.compile(rb"(?P<number>\d+)@(?P<microseconds>\d+);|tok(?P<delta>\d{8}) (?!tok)")
"""A write's number with its time, or the last of the deltas that stand in a row."""
_MARK_BYTES_MAX = 48

_buffer = memoryview(bytearray(256 << 10))  # what arrives is done with before the next arrives


class Reader(Subscriber):
    """One subscriber, beside what `Subscriber` says.

    Attributes:
        reached: The highest number of a write or of a delta seen since `reset`: some contenders
            send what was before together with what is now.
        told: Everything received, if it is to be kept.
    """

    def __init__(self, opening: Opening, *, sampled: bool, keeps: bool = False) -> None:
        super().__init__(opening.request, sampled)
        self._steps = list(opening.steps)
        self._pings = opening.pings
        self._heard = b""
        self._keeps = keeps
        self.told = bytearray()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: one place for all."""
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count, answer pings, and where sampled look."""
        self.bytes += nbytes
        data = bytes(_buffer[:nbytes])
        if self._keeps:
            self.told += data
        if self._pings and (answer := pong(data)):
            self.send(answer)
        if self._steps:
            self._take_steps(data)
        if self.sampled:
            self._look(self._tail + data)

    def _take_steps(self, data: bytes) -> None:
        self._heard += data
        while self._steps and self._steps[0].heard in self._heard:
            step = self._steps.pop(0)
            self._heard = self._heard.partition(step.heard)[2]
            if step.answer:
                self.send(step.answer)
        if not self._steps:
            self._heard = b""
            if not self.opened.done():
                self.opened.set_result(None)

    def send(self, data: bytes) -> None:
        """Say something to the server."""
        cast("asyncio.Transport", self._transport).write(data)

    def _look(self, data: bytes) -> None:
        now_us = time.monotonic_ns() // 1000
        end = 0
        for mark in _MARK.finditer(data):
            end = mark.end()
            number = int(mark["number"] or mark["delta"])
            if number > self.reached:
                self.reached = number
                if mark["microseconds"]:
                    self.latencies_us.append(now_us - int(mark["microseconds"]))
        self._tail = data[max(end, len(data) - _MARK_BYTES_MAX) :]


async def subscribe(
    port: int, opening: Opening, count: int, sampled: int, *, keeps: bool = False
) -> list[Reader]:
    """Open `count` subscriptions, of which `sampled`, evenly spread, look at what they get."""
    loop = asyncio.get_running_loop()
    every = max(1, count // sampled) if sampled else count + 1
    found: list[Reader] = []
    async with asyncio.timeout(CONNECT_SECONDS_MAX):
        while len(found) < count:
            some = [
                Reader(opening, sampled=number % every == every - 1, keeps=keeps)
                for number in range(len(found), min(count, len(found) + CONNECT_AT_ONCE))
            ]
            for one in some:
                await loop.create_connection(lambda one=one: one, "127.0.0.1", port)
            await asyncio.gather(*(one.opened for one in some))
            found += some
    await quiet(found)
    return found


async def fetch(port: int, request: bytes) -> bytes:
    """All that is answered to a request that asks for the connection to be closed."""
    async with asyncio.timeout(FETCH_SECONDS_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()
