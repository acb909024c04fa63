"""Several server processes on one socket, or one that begins anew when its code changes.

This process listens, keeps the embedded MongoDB where there is one, and serves nothing itself. Its
workers take connections from the same socket, so none is refused while one of them begins anew.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress

from watchfiles import (
    PythonFilter,
    awatch,  # pyright: ignore[reportUnknownVariableType]  # its trio half is unknown
)

from server.cli.folder import folder_of
from server.cli.serving import (
    EMBEDDED_VARIABLE,
    LISTENER_VARIABLE,
    QUIET_VARIABLE,
    listening_socket,
)
from server.core.errors import StartupError
from server.settings import Settings
from server.store.embedded import EmbeddedMongo

__all__ = ["run_crew"]

STOP_SECONDS_MAX = 15.0
"""How long a worker may take to stop. Past it, it is killed."""
PAUSE_SECONDS_MIN = 1.0
PAUSE_SECONDS_MAX = 30.0
"""Between a worker's death and the next in its place; doubled each time that one dies young."""
YOUNG_SECONDS = 60.0
CANNOT_START = 2
"""The exit code of a worker that has said in a sentence why it cannot start."""


async def run_crew(target: str | None, workers: int, *, reload: bool) -> int:
    """Keep `workers` processes serving `target` until told to stop; gives the exit code.

    Host, port and database are those of the environment and the command line.

    Args:
        target: As `headwater serve` was told.
        workers: How many.
        reload: Whether they begin anew when a Python file beside `target` changes.

    Raises:
        StartupError: There is nowhere to listen, or no database; or this is Windows.
    """
    if sys.platform == "win32":
        raise StartupError(
            "Windows cannot hand a socket to several processes; serve without --workers and "
            "--reload, or in WSL."
        )
    settings = Settings()
    if settings.in_memory:
        raise StartupError(
            "A database in memory is one process's own; serve it without --workers and --reload."
        )
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listening_socket(settings.host, settings.port))
        environment = {**os.environ, LISTENER_VARIABLE: str(listener.fileno())}
        if settings.mongodb_uri is None:
            embedded = EmbeddedMongo(settings.data_dir, settings.mongod)
            environment["HEADWATER_MONGODB_URI"] = await embedded.start()
            environment[EMBEDDED_VARIABLE] = "true"
            stack.push_async_callback(embedded.stop)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        crew = [
            asyncio.create_task(
                _Worker(target, environment, listener.fileno(), quiet=bool(n)).run(reload=reload)
            )
            for n in range(workers)
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            ended, _ = await asyncio.wait([stopping, *crew], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (stopping, *crew):
                one.cancel()
            await asyncio.wait([stopping, *crew])
        codes = [one.result() for one in ended if one in crew and not one.cancelled()]
        return int(codes[0]) if codes else 0


class _Worker:
    """One place in the crew, in which one process follows another."""

    def __init__(
        self, target: str | None, environment: dict[str, str], listener: int, *, quiet: bool
    ) -> None:
        self._target = target
        self._environment = environment
        self._listener = listener
        self._quiet = quiet

    async def run(self, *, reload: bool) -> int:
        """Serve until cancelled, or until a process says that it cannot start."""
        pause, loop = PAUSE_SECONDS_MIN, asyncio.get_running_loop()
        changed = asyncio.Event()
        async with self._watching(changed) if reload else nullcontext():
            while True:
                begun = loop.time()
                changed.clear()
                async with self._process() as process:
                    if reload and await _first(changed, process):
                        continue
                    code = await process.wait()
                if reload:  # its words are above
                    print("Waiting for a change…", file=sys.stderr)
                    await changed.wait()
                    continue
                if code == CANNOT_START:
                    return code
                pause = PAUSE_SECONDS_MIN if loop.time() - begun > YOUNG_SECONDS else pause
                print(f"A worker ended ({code}); another begins in {pause:g} s.", file=sys.stderr)
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)

    @asynccontextmanager
    async def _process(self) -> AsyncGenerator[Process]:
        """A process that serves; it is ended with the block."""
        own = {QUIET_VARIABLE: "true"} if self._quiet else {}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.cli.worker", str(os.getpid()), self._target or ""),
            env={**self._environment, **own},
            pass_fds=[self._listener],
            start_new_session=True,  # a Ctrl-C is this process's to hand on
        )
        self._quiet = True
        try:
            yield process
        finally:
            await _end(process)

    @asynccontextmanager
    async def _watching(self, changed: asyncio.Event) -> AsyncGenerator[None]:
        """Tells of every change of a Python file where the target is, or here.

        One watch for all processes: what changes as one ends is not missed.
        """

        async def watch() -> None:
            try:
                async for _ in awatch(folder_of(self._target), watch_filter=PythonFilter()):
                    changed.set()
            except OSError as error:  # too many watches of this machine's programs, say
                print(f"Changes are not noticed any more: {error}", file=sys.stderr)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])


async def _first(changed: asyncio.Event, process: Process) -> bool:
    """Wait for a change of the code, or for the process to end; whether it was a change."""
    changing, ending = asyncio.create_task(changed.wait()), asyncio.create_task(process.wait())
    try:
        await asyncio.wait([changing, ending], return_when=asyncio.FIRST_COMPLETED)
        return changing.done()
    finally:
        for one in (changing, ending):
            one.cancel()
        await asyncio.wait([changing, ending])


async def _end(process: Process) -> None:
    for tell in (process.terminate, process.kill):
        with suppress(ProcessLookupError, TimeoutError):
            tell()
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
            return
