"""The processes that take part: started here, watched from outside, ended with the run."""

import asyncio
import json
import os
import re
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path

from scripts.bench.contenders import Contender
from scripts.bench.writer import Load, Written

__all__ = [
    "ROOT",
    "Writer",
    "bare",
    "cpu_seconds",
    "headwater",
    "rss_bytes",
    "running",
    "said",
    "writer",
]

ROOT = Path(__file__).parents[2]
"""The tree to which this bench belongs; its server is the one that is measured."""
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 5.0


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors so far.

    Source: Linux, ``MAKE_PROCESS_CPUCLOCK`` in ``posix-timers.h``. The same account as in
    ``/proc/<pid>/stat``, which rounds to hundredths of a second.
    """
    return time.clock_gettime(((~pid) << 3) | 2)


def rss_bytes(pid: int) -> int:
    """What a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def bare(uri: str, *, uvloop: bool = False) -> AsyncGenerator[Contender]:
    """The bare server, on a database of its own."""
    database = "bench_bare"
    command = ["bare", uri, database, "chatMessages"]
    async with running([*command, "--uvloop"] if uvloop else command, {}) as process:
        port = int((await said(process, r"READY (\d+)"))[1])
        yield Contender("bare", process.pid, port, database)


@asynccontextmanager
async def headwater(uri: str) -> AsyncGenerator[tuple[Contender, Contender]]:
    """``headwater serve``, asked by ``/api/sync``, or by ``/api/live``."""
    database = "bench_headwater"
    own = {
        "HEADWATER_MONGODB_URI": uri.replace("/headwater?", f"/{database}?"),
        "HEADWATER_PORT": "0",
    }
    async with running(["headwater", "serve"], own) as process:
        port = int((await said(process, r"http://127\.0\.0\.1:(\d+)"))[1])
        yield (
            Contender("sync", process.pid, port, database),
            Contender("live", process.pid, port, database),
        )


class Writer:
    """The process that writes."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def run(self, load: Load) -> Written:
        """Have it write, and wait until that is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(load)).encode() + b"\n")
        async with asyncio.timeout(load.seconds + START_SECONDS_MAX):
            return Written(**json.loads((await said(self._process, r"\{.*\}"))[0]))


@asynccontextmanager
async def writer(uri: str) -> AsyncGenerator[Writer]:
    """Start the writer."""
    async with running(["writer", uri], {}) as process:
        yield Writer(process)


@asynccontextmanager
async def running(
    command: list[str], own: dict[str, str], complaints: Path | None = None
) -> AsyncGenerator[Process]:
    """A `child`, ended with the block. Its environment has no settings but `own`.

    Args:
        command: What `child` is told.
        own: Its settings.
        complaints: The file that gets its standard error; None leaves that on the terminal.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HEADWATER_", "ANTHROPIC_"))
    }
    with complaints.open("wb") if complaints else nullcontext() as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scripts.bench.child", *command),
            cwd=ROOT,
            env={**inherited, **own, "PYTHONUNBUFFERED": "1"},
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
        )
    try:
        yield process
    finally:
        for tell in (process.terminate, process.kill):
            with suppress(ProcessLookupError, TimeoutError):
                tell()
                await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
                break


async def said(process: Process, pattern: str) -> re.Match[str]:
    """The next thing that the process says and `pattern` finds."""
    assert process.stdout is not None
    async with asyncio.timeout(START_SECONDS_MAX * 3):
        while line := await process.stdout.readline():
            if found := re.search(pattern, line.decode()):
                return found
    raise RuntimeError(f"Process {process.pid} ended; its own words are above.")
