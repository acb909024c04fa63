"""``python -m scripts.peers [--quick]``: measure each contender in turn, and print one table.

Everything is on loopback, on a MongoDB of its own that is removed again. The load is written and
read by processes other than the server that is measured; its CPU and memory are read from outside,
and MongoDB's are not counted, for anybody. A contender that cannot be run has a row that says so.
It reads ``/proc``, so it needs Linux; and it needs npm's registry when it is run first.
"""

import argparse
import asyncio
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from pymongo import AsyncMongoClient

from scripts.bench.machine import described
from scripts.bench.processes import ROOT
from scripts.peers.contenders import CONTENDERS, Contender
from scripts.peers.measures import bytes_of_deltas, cpu_per_delivery, idle_memory, latency
from scripts.peers.node import NotInstalled, installed, node_version
from scripts.peers.others import Account
from scripts.peers.reconnect import reconnect
from scripts.peers.scene import OURS, NotStarted, Scene, Sizes, scene
from scripts.peers.table import Measured, Row, as_markdown, as_text, header
from server.store.embedded import EmbeddedMongo

__all__ = ["arguments", "main"]

SECONDS_MAX = 540.0
"""Of the whole run, without npm's first installation; contenders beyond it have no numbers."""
CONTENDER_SECONDS_MAX = 120.0
OTHERS_MAX = 0.15
"""Processors; a machine on which others take more gives numbers that are not worth much."""
FAST = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  # in memory, where one can
WRITES = {
    "mongodb": "MongoDB",
    "headwater": "POST /api/mutation",
    "headwater-mongodb": "MongoDB",
    "socketio": "a client's event",
    "feathers": "REST",
    "rxdb": "its push",
    "parse": "REST",
}


def arguments(words: list[str]) -> argparse.Namespace:
    """What was asked for: `quick`, `only` (a list of contenders' names) and `markdown`."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter sample")
    names = [one.name for one in CONTENDERS]
    parser.add_argument(
        "--only", choices=names, action="append", help="measure this one; may be repeated"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown too")
    found = parser.parse_args(words)
    found.only = found.only or names
    return found


def main() -> None:
    """Run the program."""
    asked = arguments(sys.argv[1:])
    if not Path("/proc/self/statm").exists():
        sys.exit("The bench reads /proc, which this system does not have; run it on Linux.")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        uvloop.run(_run(asked))
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("The bench was stopped.")


async def _run(asked: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    sizes = Sizes.quick() if asked.quick else Sizes()
    contenders = [one for one in CONTENDERS if one.name in asked.only]
    rows = [Row(one.title, WRITES[one.writes]) for one in contenders]
    for one in contenders:
        await _prepare(one)
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="headwater-peers-", dir=FAST))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        mongod = await _mongodb(stack, folder)
        for contender, row in zip(contenders, rows, strict=True):
            left = SECONDS_MAX - (time.monotonic() - started)
            seconds_max, before = min(CONTENDER_SECONDS_MAX, left), Account.read(mongod.pid)
            await _measure(contender, row, mongod.uri, folder, sizes, seconds_max)
            others = Account.read(mongod.pid).of_others_since(before)
            if others > OTHERS_MAX:
                row.notes.append(f"other programs kept {others:.1f} processors busy meanwhile")
    titles = header(sizes.deltas, sizes.idle)
    print(f"\n{as_text(titles, rows)}")
    if asked.markdown:
        print(f"\n{as_markdown(titles, rows)}")
    print(f"\nOne write was in flight at a time. {time.monotonic() - started:.0f} seconds.")


async def _prepare(contender: Contender) -> None:
    """Have npm's work done before anything is measured; what fails is told by the row."""
    try:
        if contender.server not in OURS:
            await installed(contender.server)
    except NotInstalled as error:
        print(f"{contender.title}: {error}.", flush=True)


@dataclass(frozen=True)
class _MongoDB:
    """The database that all share."""

    uri: str
    pid: int


async def _mongodb(stack: AsyncExitStack, folder: Path) -> _MongoDB:
    embedded = EmbeddedMongo(folder)
    stack.push_async_callback(embedded.stop)
    uri, pid = await embedded.start(), embedded.pid
    assert pid is not None
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        version = (await client.admin.command("buildInfo"))["version"]
    print("\n".join(described(version, ROOT)))
    print(f"node      {await node_version()}")
    print(f"MongoDB's files are in {folder}.", flush=True)
    return _MongoDB(uri, pid)


async def _measure(
    contender: Contender, row: Row, uri: str, folder: Path, sizes: Sizes, seconds_max: float
) -> None:
    """Fill `row`, as far as that succeeds."""
    if seconds_max <= 0:
        row.notes.append("no time was left for it")
        return
    print(f"… {row.title}, writes by {row.writes}", flush=True)
    try:
        async with asyncio.timeout(seconds_max), scene(contender, uri, folder) as running:
            for column, measure in _columns(running, sizes).items():
                await _fill(row, column, measure)
    except (NotInstalled, NotStarted) as error:
        row.notes.append(str(error))
    except TimeoutError:
        row.notes.append("it was stopped because it took too long")


def _columns(running: Scene, sizes: Sizes) -> dict[str, Callable[[], Awaitable[Measured]]]:
    return {
        "idle": lambda: idle_memory(running, sizes),
        "latency-1": lambda: latency(running, sizes, 1),
        "latency-100": lambda: latency(running, sizes, 100),
        "cpu": lambda: cpu_per_delivery(running, sizes),
        "deltas": lambda: bytes_of_deltas(running, sizes),
        "reconnect": lambda: reconnect(running),
    }


async def _fill(row: Row, column: str, measure: Callable[[], Awaitable[Measured]]) -> None:
    try:
        row.values[column] = await measure()
    except TimeoutError as error:
        row.notes.append(f"{column}: {str(error) or 'something never arrived'}")
    except Exception as error:  # noqa: BLE001  # whatever one contender does, the others go on
        row.notes.append(f"{column}: {str(error) or type(error).__name__}")


if __name__ == "__main__":
    main()
