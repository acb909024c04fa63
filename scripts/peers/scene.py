"""One contender at work: its server, a writer, subscribers."""

import asyncio
import json
import secrets
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.bench.processes import cpu_seconds, running, said
from scripts.bench.stage import Observed
from scripts.bench.subscriber import quiet, reached
from scripts.peers.contenders import Contender
from scripts.peers.node import installed
from scripts.peers.reader import Reader, subscribe
from scripts.peers.writer import Load, Room, Written

__all__ = ["OURS", "NotStarted", "Scene", "Sizes", "Writer", "scene"]

BOARD = "scripts/peers/board.py:app"
OURS = ("bare", "headwater")
"""Servers that need no Node."""
START_SECONDS_MAX = 40.0
WRITER_SECONDS_MAX = 20.0


class NotStarted(Exception):
    """A server did not get ready; the message holds its last words."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        latency_writes: Writes whose latency counts, at 50/s.
        fan_out_seconds: Load of many subscribers, at 100 writes/s at the most.
        deltas: Of a message that grows.
        idle: Subscribers who get nothing.
    """

    latency_writes: int = 200
    fan_out_seconds: float = 5.0
    deltas: int = 2_000
    idle: int = 1_000

    @classmethod
    def quick(cls) -> "Sizes":
        """A sample: shows whether anything is far off."""
        return cls(latency_writes=40, fan_out_seconds=1.5, deltas=400, idle=200)


class Writer:
    """The process that writes, by the contender's public way."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def room(self, notes: int = 1) -> str:
        """Make a new room with so many notes, which take the writes from now on; its name."""
        name = secrets.token_hex(12)
        await self._told(Room(name, notes), WRITER_SECONDS_MAX)
        return name

    async def run(self, load: Load) -> Written:
        """Have it write, and wait until that is done."""
        return await self._told(load, load.seconds + WRITER_SECONDS_MAX)

    async def _told(self, what: Room | Load, seconds_max: float) -> Written:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(what)).encode() + b"\n")
        async with asyncio.timeout(seconds_max):
            return Written(**json.loads((await said(self._process, r"\{.*\}"))[0]))


@dataclass(frozen=True)
class Scene:
    """A contender whose server runs.

    Attributes:
        contender: Who.
        pid: The server's process.
        port: On loopback.
        uri: Of its database.
        folder: For files of this run.
    """

    contender: Contender
    pid: int
    port: int
    uri: str
    folder: Path

    @property
    def on_node(self) -> bool:
        """Whether the server runs on Node."""
        return self.contender.server not in OURS

    @asynccontextmanager
    async def writer(self) -> AsyncGenerator[Writer]:
        """A writer of its own for one measurement, so that what one breaks the next has whole.

        Raises:
            RuntimeError: It failed; the message holds its last words.
        """
        complaints = self.folder / f"{self.contender.name}-writer.log"
        command = ["peer-writer", self.contender.writes, self.uri, str(self.port)]
        try:
            async with running(command, {}, complaints) as process:
                yield Writer(process)
        except RuntimeError as error:
            raise RuntimeError(last_words(complaints) or str(error)) from error

    async def subscribe(
        self, room: str, count: int, sampled: int, *, keeps: bool = False
    ) -> list[Reader]:
        """Follow a room, many times over."""
        opening = self.contender.opening(room)
        return await subscribe(self.port, opening, count, sampled, keeps=keeps)

    async def observe(self, writer: Writer, readers: list[Reader], load: Load) -> Observed:
        """Have `load` written while `readers` read.

        Raises:
            TimeoutError: Some of it never arrived.
        """
        for one in readers:
            one.reset()
        used = cpu_seconds(self.pid)
        written = await writer.run(load)
        await reached(readers, load.first + written.count - 1)
        if len(readers) > 1:
            await quiet(readers)  # those who are not sampled get the rest
        used = cpu_seconds(self.pid) - used
        return Observed(
            written.count,
            written.seconds,
            used,
            max(one.bytes for one in readers),
            [latency for one in readers for latency in one.latencies_us],
        )


@asynccontextmanager
async def scene(contender: Contender, uri: str, folder: Path) -> AsyncGenerator[Scene]:
    """Start a contender's server, on a database of its own.

    Raises:
        NotInstalled: It cannot be run on this machine.
        NotStarted: It did not get ready.
    """
    database = f"peers_{contender.name}"
    own_uri = uri.replace("/headwater?", f"/{database}?")
    complaints = folder / f"{contender.name}.log"
    own = dict(contender.settings)
    if contender.server == "bare":
        command, ready = ["bare", uri, database, "notes"], r"READY (?P<port>\d+)"
    elif contender.server == "headwater":
        command, ready = ["headwater", "serve", BOARD], r"http://127\.0\.0\.1:(?P<port>\d+)"
        own |= {"HEADWATER_MONGODB_URI": own_uri, "HEADWATER_PORT": "0"}
    else:
        command, ready = await installed(contender.server), "READY"
        own |= {"MONGODB_URI": f"{own_uri}&w=majority", "DATABASE": database}
        own |= {"NODE_ENV": "production", "PORT": str(_free_port())}
    async with running(command, own, complaints) as process:
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                found = (await said(process, ready)).groupdict()
        except (RuntimeError, TimeoutError) as error:
            words = last_words(complaints)
            raise NotStarted(f"it did not start: {words or 'it said nothing'}") from error
        yield Scene(
            contender, process.pid, int(found.get("port", own.get("PORT", 0))), own_uri, folder
        )


def last_words(complaints: Path) -> str:
    """What a program said when it failed: the line that names the error, else the last one."""
    lines = [line.strip() for line in complaints.read_text("utf-8", "replace").splitlines()]
    named = [line for line in lines if "Error" in line]
    return (named or [line for line in lines if line] or [""])[-1][:200]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
