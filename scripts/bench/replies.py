"""Replies of Claude, many at once on one process: from a delta to a subscriber's event.

One reply alone is the floor. So many at once are also written by a bare server, whose reply alone
is its own floor: what it needs more for many is what MongoDB, Claude and the subscribers take of
the same processors. All take turns in one run.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol
from urllib.parse import quote

import httpx2

from scripts.bench.claude import prompt
from scripts.bench.marks import milliseconds
from scripts.bench.processes import cpu_seconds, running, said
from scripts.bench.stage import Stage
from scripts.bench.subscriber import Subscriber, hang_up, reached

__all__ = ["measure_replies"]

DELTAS_PER_SECOND = 20
SUBSCRIBERS = 3
TARGET = 3.0
BARE_TARGET = 1.0
DATABASE = "bench_replies"


class _Road(Protocol):
    """One server, as far as replies are asked of it."""

    pid: int
    port: int

    async def room(self) -> str:
        """Where the next reply will be."""
        ...

    def listening(self, room: str) -> str:
        """The path at which a subscriber hears it."""
        ...

    async def ask(self, room: str) -> None:
        """Begin it."""
        ...

    async def finished(self, room: str) -> None:
        """Wait until it has ended well."""
        ...


@dataclass
class _Heard:
    """What subscribers of one server heard.

    Attributes:
        firsts_us: How long the first delta of a reply took, from the prompt.
        deltas_us: How long each other took.
    """

    firsts_us: list[int] = field(default_factory=list[int])
    deltas_us: list[int] = field(default_factory=list[int])


async def measure_replies(stage: Stage) -> None:
    """One reply alone, and many at once, of ours and of the bare server."""
    sizes, report = stage.sizes, stage.report
    pace = [str(sizes.reply_deltas), str(DELTAS_PER_SECOND)]
    async with (
        running(["claude", *pace], {}) as claude,
        _headwater(stage.uri, port := int((await said(claude, r"READY (\d+)"))[1])) as ours,
        _bare(stage.uri, port) as bare,
    ):
        roads: list[_Road] = [ours, bare]
        alone = {road.pid: _Heard() for road in roads}
        together = {road.pid: _Heard() for road in roads}
        used = {road.pid: 0.0 for road in roads}
        for road in roads:
            await _round(road, 1, sizes.reply_deltas, _Heard())  # warm
        for _ in range(sizes.reply_rounds):
            for road in roads:
                for _ in range(3):
                    await _round(road, 1, sizes.reply_deltas, alone[road.pid])
                used[road.pid] -= cpu_seconds(road.pid)
                await _round(road, sizes.replies, sizes.reply_deltas, together[road.pid])
                used[road.pid] += cpu_seconds(road.pid)
    one, many, bare_one, bare_many = (
        milliseconds(heard[road.pid].deltas_us) for road in roads for heard in (alone, together)
    )
    deltas = sizes.replies * sizes.reply_deltas * sizes.reply_rounds
    cpu, bare_cpu = (used[road.pid] / deltas * 1e6 for road in roads)
    label = f"{sizes.replies} replies, {DELTAS_PER_SECOND} deltas/s, {SUBSCRIBERS} subscribers each"
    report.judge(
        f"{label}: p95 to one alone",
        many[1] / one[1],
        TARGET,
        f"{many[1]:.1f} ms (p50 {many[0]:.1f}), alone {one[1]:.1f} (p50 {one[0]:.1f}); "
        f"{cpu:.0f} µs of CPU for a delta; all finished",
    )
    report.judge(
        "the same p95 to the bare server's",
        many[1] / bare_many[1],
        BARE_TARGET,
        f"{bare_many[1]:.1f} ms (p50 {bare_many[0]:.1f}), alone {bare_one[1]:.1f} "
        f"(p50 {bare_one[0]:.1f}), {bare_many[1] / bare_one[1]:.0f} times; {bare_cpu:.0f} µs",
    )
    first, firsts = (milliseconds(heard[ours.pid].firsts_us) for heard in (alone, together))
    report.tell(
        "from prompt to first token at a subscriber, p95 to one alone",
        firsts[1] / first[1],
        f"{firsts[1]:.1f} ms (p50 {firsts[0]:.1f}), alone {first[1]:.1f} (p50 {first[0]:.1f})",
    )


async def _round(road: _Road, replies: int, deltas: int, heard: _Heard) -> None:
    """Ask for replies at once, and note what each of their subscribers heard.

    Raises:
        TimeoutError: A reply did not finish.
    """
    rooms = [await road.room() for _ in range(replies)]
    streams = [one for room in rooms for one in await _followed(road, room)]
    seconds = 1 / DELTAS_PER_SECOND / replies
    asking: list[asyncio.Task[None]] = []
    for room in rooms:  # spread over the time between two deltas, as people are
        asking.append(asyncio.create_task(road.ask(room)))
        await asyncio.sleep(seconds)
    await asyncio.gather(*asking)
    await reached(streams, deltas)
    for room in rooms:
        await road.finished(room)
    await hang_up(streams)
    for one in streams:
        heard.firsts_us.append(one.latencies_us[0])
        heard.deltas_us += one.latencies_us[1:]


async def _followed(road: _Road, room: str) -> list[Subscriber]:
    """Subscribers of a reply."""
    head = f"GET {road.listening(room)} HTTP/1.1\r\nHost: 127.0.0.1:{road.port}\r\n\r\n"
    streams = [Subscriber(head.encode(), sampled=True) for _ in range(SUBSCRIBERS)]
    loop = asyncio.get_running_loop()
    for one in streams:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", road.port)
    await asyncio.gather(*(one.opened for one in streams))
    return streams


class _Headwater:
    """``headwater serve``."""

    def __init__(self, pid: int, port: int, http: httpx2.AsyncClient) -> None:
        self.pid = pid
        self.port = port
        self._http = http

    async def room(self) -> str:
        answer = await self._http.post("/api/mutation/tasks.create", json={"title": "bench"})
        return answer.json()["value"]["_id"]

    def listening(self, room: str) -> str:
        queries = [{"id": "m", "function": "messages.byTask", "args": {"taskId": room}}]
        return f"/api/sync?queries={quote(json.dumps(queries))}"

    async def ask(self, room: str) -> None:
        body = {"taskId": room, "prompt": prompt()}
        answer = await self._http.post("/api/action/streaming.streamChat", json=body)
        assert answer.status_code == 202, answer.text

    async def finished(self, room: str) -> None:
        async with asyncio.timeout(30):
            while True:
                answer = await self._http.post("/api/query/messages.byTask", json={"taskId": room})
                status = answer.json()["value"][-1]["status"]
                if status == "COMPLETED":
                    return
                assert status == "STREAMING", answer.text
                await asyncio.sleep(0.05)


class _Bare:
    """The bare server, for which a reply has no end but its last delta."""

    def __init__(self, pid: int, port: int, http: httpx2.AsyncClient) -> None:
        self.pid = pid
        self.port = port
        self._http = http
        self._numbers = count(1)

    async def room(self) -> str:
        return f"r{next(self._numbers)}"

    def listening(self, room: str) -> str:
        return f"/?room={room}"

    async def ask(self, room: str) -> None:
        answer = await self._http.post(f"/?room={room}", content=prompt().encode())
        assert answer.status_code == 202, answer.text

    async def finished(self, room: str) -> None:
        pass


@asynccontextmanager
async def _headwater(uri: str, claude_port: int) -> AsyncGenerator[_Headwater]:
    own = {
        "HEADWATER_MONGODB_URI": uri.replace("/headwater?", f"/{DATABASE}?"),
        "HEADWATER_PORT": "0",
        "ANTHROPIC_API_KEY": "bench",
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{claude_port}",
    }
    async with running(["headwater", "serve"], own) as server:
        port = int((await said(server, r"Headwater +http://127\.0\.0\.1:(\d+)"))[1])
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield _Headwater(server.pid, port, http)


@asynccontextmanager
async def _bare(uri: str, claude_port: int) -> AsyncGenerator[_Bare]:
    command = ["bare-replies", uri, f"{DATABASE}_bare", str(claude_port)]
    async with running(command, {}) as server:
        port = int((await said(server, r"READY (\d+)"))[1])
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield _Bare(server.pid, port, http)
