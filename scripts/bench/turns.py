"""A measurement inside a process of its own, which takes its turns when it is told.

    python -m scripts.bench.child engine MODULE URI ARGUMENTS

`prepare` of the module gets ready and gives the function that takes a turn. Then each line of
input, a JSON object, is one turn, and what it gave is printed as JSON. So processes that are
compared can take turns with one another, and none of them measures another's garbage.
"""

import asyncio
import importlib
import json
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import uvloop

from scripts.bench.processes import running, said
from server.core.garbage import collect_less_garbage

__all__ = ["Prepare", "Turn", "Turns", "main", "taking_turns"]

Turn = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Takes one turn; what it is told and what it gives are JSON objects."""
Prepare = Callable[[str, dict[str, Any]], AbstractAsyncContextManager[Turn]]
"""Gets ready on a database's URI, with arguments."""


class Turns:
    """The process, as the bench sees it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def turn(self, **told: Any) -> dict[str, Any]:
        """Let it take a turn, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        return json.loads((await said(self._process, r"^\{.*\}$"))[0])


@asynccontextmanager
async def taking_turns(
    uri: str, module: str, database: str, **arguments: Any
) -> AsyncGenerator[Turns]:
    """Start a process that takes turns by `module`, on a database of its own; wait for it."""
    own = uri.replace("/headwater?", f"/{database}?")
    async with running(["engine", module, own, json.dumps(arguments)], {}) as process:
        await said(process, r"^READY$")
        yield Turns(process)


async def _run(module: str, uri: str, arguments: str) -> None:
    prepare: Prepare = importlib.import_module(module).prepare
    async with prepare(uri, json.loads(arguments)) as take_turn:
        collect_less_garbage()  # as `headwater serve` does
        print("READY", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await take_turn(json.loads(line))), flush=True)


def main() -> None:
    """Run the program."""
    module, uri, arguments = sys.argv[1:]
    if not module.startswith("scripts.bench."):
        sys.exit(f"{module} is no measurement of the bench.")
    uvloop.run(_run(module, uri, arguments))
