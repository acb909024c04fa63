"""Many people in one task: heartbeats from all, and moves of some twenty times a second.

The built-in presence, and one as one would write it first, take turns on one server. Each person
has a stream of who is there, and as many connections to call by as a browser has.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from scripts.bench import naive_presence
from scripts.bench.marks import Marks, milliseconds
from scripts.bench.processes import cpu_seconds, running, said
from scripts.bench.stage import Stage
from scripts.bench.subscriber import Subscriber, hang_up, quiet

__all__ = ["measure_presence"]

MOVES_PER_SECOND = 20
HEARTBEAT_SECONDS = 30.0
CONNECTIONS = 6
"""Of one mover: a browser's to one host. While all are busy a move is superseded by the next."""
JOINING_AT_ONCE = 20
DATABASE = "bench_presence"
TARGET = 0.5
MESSAGES_PER_SECOND_MAX = 10.0
"""Five writes a second are made for fifty who move; the change stream may cut one in two."""
LEFT_IN_FLIGHT_SECONDS_MAX = 20.0


@dataclass
class _Observed:
    """One scenario, measured.

    Attributes:
        sent: Calls that were made, all answered.
        written: Documents that MongoDB changed.
        told: Messages to one person, of the one who got most.
        bytes: The same in bytes.
        server: Seconds of processor time of the server.
        mongod: The same of MongoDB.
        latencies_us: From before one mover's call until another's stream showed it.
    """

    sent: int = 0
    written: int = 0
    told: int = 0
    bytes: int = 0
    server: float = 0.0
    mongod: float = 0.0
    latencies_us: list[int] = field(default_factory=list[int])


async def measure_presence(stage: Stage) -> None:
    """The built-in presence, to the one written first."""
    async with _server(stage) as (port, pid):
        found: dict[str, _Observed] = {}
        for module in ("naivePresence", "presence"):
            found[module] = await _scenario(stage, port, pid, module)
    _tell(stage, found["presence"], found["naivePresence"])


def _tell(stage: Stage, ours: _Observed, first: _Observed) -> None:
    people, movers = stage.sizes.people
    seconds, report = stage.sizes.presence_seconds, stage.report
    report.judge(
        f"{people} present, {movers} move at {MOVES_PER_SECOND} Hz: documents written for a call",
        ours.written / ours.sent / (first.written / first.sent),
        TARGET,
        f"{ours.written / seconds:.0f} to {first.written / seconds:.0f} a second, "
        f"for {ours.sent / seconds:.0f} to {first.sent / seconds:.0f} calls that were answered",
    )
    report.judge(
        "messages to each of them, a second",
        ours.told / seconds,
        MESSAGES_PER_SECOND_MAX,
        f"of {ours.bytes / ours.told:.0f} bytes; naively {first.told / seconds:.1f} of "
        f"{first.bytes / first.told:.0f}, for {first.sent / ours.sent:.2f} of the calls",
    )
    report.judge(
        "processor time for a call, server and MongoDB",
        (ours.server + ours.mongod) / ours.sent / ((first.server + first.mongod) / first.sent),
        1.0,
        f"server {ours.server / ours.sent * 1e6:.0f} to {first.server / first.sent * 1e6:.0f} µs, "
        f"MongoDB {ours.mongod / ours.sent * 1e6:.0f} to {first.mongod / first.sent * 1e6:.0f}",
    )
    late, late_first = milliseconds(ours.latencies_us), milliseconds(first.latencies_us)
    report.tell(
        "from a move to another's stream, p50",
        late[0] / late_first[0],
        f"{late[0]:.0f} ms (p95 {late[1]:.0f}) to {late_first[0]:.0f} (p95 {late_first[1]:.0f})",
    )


@asynccontextmanager
async def _server(stage: Stage) -> AsyncGenerator[tuple[int, int]]:
    own = {
        "HEADWATER_MONGODB_URI": stage.uri.replace("/headwater?", f"/{DATABASE}?"),
        "HEADWATER_PORT": "0",
    }
    app = f"{Path(naive_presence.__file__)}:app"
    async with running(["headwater", "serve", app], own) as server:
        yield int((await said(server, r"Headwater +http://127\.0\.0\.1:(\d+)"))[1]), server.pid


async def _scenario(stage: Stage, port: int, pid: int, module: str) -> _Observed:
    people, _ = stage.sizes.people
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        answer = await http.post("/api/mutation/tasks.create", json={"title": "bench"})
        task = answer.json()["value"]["_id"]
        joining = asyncio.Semaphore(JOINING_AT_ONCE)

        async def join(number: int) -> None:
            async with joining:
                body = _body(task, number)
                answer = await http.post(f"/api/mutation/{module}.updatePresence", json=body)
                assert answer.status_code == 200, answer.text

        await asyncio.gather(*map(join, range(people)))
        streams = await _followed(port, module, task, people)
        crowd = _Crowd(port, module, task)
        observed = await _observed(stage, pid, streams, crowd)
        await _landed(http, module, task, crowd)
        await hang_up(streams)
    return observed


async def _observed(
    stage: Stage, pid: int, streams: list["_Listener"], crowd: "_Crowd"
) -> _Observed:
    people, movers = stage.sizes.people
    status = await stage.client.admin.command("serverStatus")
    mongod = int(status["pid"])
    written = status["metrics"]["document"]["updated"]
    observed = _Observed(server=-cpu_seconds(pid), mongod=-cpu_seconds(mongod))
    for one in streams:
        one.reset()
    async with asyncio.timeout(stage.sizes.presence_seconds + LEFT_IN_FLIGHT_SECONDS_MAX):
        observed.sent = await crowd.live(people, movers, stage.sizes.presence_seconds)
        await quiet(streams)
    observed.server += cpu_seconds(pid)
    observed.mongod += cpu_seconds(mongod)
    status = await stage.client.admin.command("serverStatus")
    observed.written = status["metrics"]["document"]["updated"] - written
    observed.told = max(one.messages for one in streams)
    observed.bytes = max(one.bytes for one in streams)
    observed.latencies_us = streams[0].latencies_us
    return observed


async def _landed(http: httpx2.AsyncClient, module: str, task: str, crowd: "_Crowd") -> None:
    """Raise AssertionError where somebody's last position did not land."""
    answer = await http.post(f"/api/query/{module}.getActiveUsers", json={"taskId": task})
    cursors = {one["userId"]: one.get("cursor") for one in answer.json()["value"]}
    for user, x in crowd.last.items():
        assert (cursors[user] or {}).get("x") == x, f"{user} is at {cursors[user]}, not at {x}"


def _body(task: str, number: int, **more: Any) -> dict[str, Any]:
    user = f"u{number}"
    return {"taskId": task, "userId": user, "userName": user, "tabId": "1", **more}


class _Listener(Subscriber):
    """A subscriber that counts messages too.

    Attributes:
        messages: Received since `reset`.
    """

    def reset(self) -> None:
        """Count from here."""
        super().reset()
        self.messages = 0

    def buffer_updated(self, nbytes: int) -> None:
        """Count."""
        self.messages += bytes(self.get_buffer(0)[:nbytes]).count(b"data: ")
        super().buffer_updated(nbytes)


async def _followed(port: int, module: str, task: str, count: int) -> list[_Listener]:
    queries = [{"id": "p", "function": f"{module}.getActiveUsers", "args": {"taskId": task}}]
    path = f"/api/sync?queries={quote(json.dumps(queries))}"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    streams = [_Listener(request, sampled=number == 0) for number in range(count)]
    for one in streams:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)
    await asyncio.gather(*(one.opened for one in streams))
    await quiet(streams)
    return streams


class _Crowd:
    """People who call.

    Attributes:
        last: Where each mover was last, by their id.
    """

    def __init__(self, port: int, module: str, task: str) -> None:
        self._port = port
        self._path = f"/api/mutation/{module}.updatePresence"
        self._task = task
        self._marks = Marks()
        self._sent = 0
        self.last: dict[str, float] = {}

    async def live(self, people: int, movers: int, seconds: float) -> int:
        """Let all of them be there so long; how many calls were made."""
        async with asyncio.TaskGroup() as group:
            for number in range(movers):
                group.create_task(self._move(number, seconds))
            for number in range(people):
                group.create_task(self._beat(number, HEARTBEAT_SECONDS * number / people, seconds))
        return self._sent

    async def _beat(self, number: int, first: float, seconds: float) -> None:
        """Heartbeats, the first after `first` seconds."""
        due = first
        begun = asyncio.get_running_loop().time()
        async with contextlib.AsyncExitStack() as stack:
            line: _Line | None = None
            while due < seconds:
                await asyncio.sleep(begun + due - asyncio.get_running_loop().time())
                line = line or await stack.enter_async_context(self._line())
                await self._call(line, _body(self._task, number))
                due += HEARTBEAT_SECONDS

    async def _move(self, number: int, seconds: float) -> None:
        """Moves; the last of them on a connection that is free, however long that takes."""
        loop = asyncio.get_running_loop()
        moves = max(2, round(seconds * MOVES_PER_SECOND))
        async with contextlib.AsyncExitStack() as stack:
            idle = [await stack.enter_async_context(self._line()) for _ in range(CONNECTIONS)]
            calling: set[asyncio.Task[None]] = set()

            async def call(line: _Line, body: dict[str, Any]) -> None:
                await self._call(line, body)
                idle.append(line)

            begun = loop.time() + number / MOVES_PER_SECOND / 50
            for move in range(moves):
                await asyncio.sleep(begun + move / MOVES_PER_SECOND - loop.time())
                if move == moves - 1 and calling:
                    await asyncio.wait(calling)  # it is to be the newest by any order
                if not idle:
                    continue
                task = asyncio.create_task(call(idle.pop(0), self._moved(number, move)))
                calling.add(task)
                task.add_done_callback(calling.discard)
            await asyncio.gather(*calling)

    def _moved(self, number: int, move: int) -> dict[str, Any]:
        x = float(move)
        self.last[f"u{number}"] = x
        marked = {"filePath": self._marks.next()} if number == 0 else {}
        selection = {"start": move, "end": move, **marked}
        return _body(self._task, number, cursor={"x": x, "y": x}, selection=selection)

    async def _call(self, line: "_Line", body: dict[str, Any]) -> None:
        await line.post(self._path, json.dumps(body).encode())
        self._sent += 1

    @asynccontextmanager
    async def _line(self) -> AsyncGenerator["_Line"]:
        line = _Line(self._port)
        await line.open()
        try:
            yield line
        finally:
            line.close()


class _Line:
    """One connection, for one call at a time, at as little cost as there can be."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, path: str, body: bytes) -> None:
        """Call, and wait for the answer.

        Raises:
            RuntimeError: It is not 200.
        """
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        told = await self._reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"A call was refused: {told[:200]!r}")

    def close(self) -> None:
        """Leave."""
        self._writer.transport.abort()
