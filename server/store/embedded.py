"""The embedded MongoDB: a real mongod as a child, a single-node replica set on loopback.

No mongod is left behind: its owner stops it, and the kernel does should the owner be killed.
"""

import asyncio
import logging
import os
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from server.core.errors import StartupError
from server.core.tasks import end_tasks
from server.store.data_folder import DataFolder, FolderInUse
from server.store.mongod import (
    becomes_primary,
    choose_port,
    end_mongod,
    ending_of,
    find_mongod,
    last_words,
    launch_mongod,
    rotate_log,
    uri_at,
)

__all__ = ["EmbeddedMongo", "join_or_start"]

POLL_S = 0.02
START_TIMEOUT_S = 60.0
RESTART_DELAY_S_MIN, RESTART_DELAY_S_MAX = 0.1, 5.0
HEALTHY_AFTER_S = 30.0
LOG_BYTES_MAX, LOG_CHECK_S = 16 * 1024 * 1024, 60.0

logger = logging.getLogger(__name__)


class EmbeddedMongo:
    """One mongod, owned by this process from `start` to `stop`.

    Meanwhile it is supervised: a mongod that ends by itself is started again on the same port
    after 0.1 to 5 seconds, for as long as it takes, and drivers reconnect by themselves.

    Args:
        data_dir: Where its `DataFolder` is; made when absent.
        mongod: The program, by path or name; None looks on the PATH, then in the ``embedded``
            extra.
    """

    def __init__(self, data_dir: Path, mongod: str | None = None) -> None:
        self._folder = DataFolder(data_dir)
        self._mongod = mongod
        self._port = 0
        self._process: Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def uri(self) -> str:
        """Where drivers connect; valid from `start` on, and the same after a restart."""
        return uri_at(self._port)

    @property
    def pid(self) -> int | None:
        """The process id of the latest mongod; None before the first."""
        return self._process.pid if self._process else None

    async def start(self) -> str:
        """Start mongod and return its URI as soon as it takes writes.

        The port of the last start is taken again; if somebody else has it by now, a free one,
        and the replica set is told that it moved.

        Raises:
            FolderInUse: Another process owns the data folder.
            StartupError: No program, no room, damaged data; the message holds mongod's own words.
        """
        assert not self._folder.is_locked, "started twice"
        try:
            self._folder.lock()
            program = find_mongod(self._mongod)  # not sooner: who joins needs none
            await self._folder.wait_for_predecessor()
            self._port = choose_port(self._folder.record().get("port"))
            self._write_record(owner=None)  # nobody joins by what an earlier owner wrote
            await self._launch(program)
            self._write_record(owner=os.getpid())
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise StartupError(
                    f"The data folder {self._folder.path} cannot be used: "
                    f"{error.strerror or error}; make room or grant access, or name another in "
                    "HEADWATER_DATA_DIR."
                ) from error
            raise
        self._supervisor = asyncio.create_task(self._supervise(program), name="mongod")
        return self.uri

    async def stop(self) -> None:
        """End mongod cleanly, with all acknowledged writes on disk; harmless when not started."""
        if self._supervisor is not None:
            await end_tasks(self._supervisor)
            self._supervisor = None
        if self._process is not None:
            await end_mongod(self._process)
        if self._folder.is_locked:
            with suppress(OSError):  # on a full disk the record stays as it is: the lock decides
                self._write_record(owner=None)
            self._folder.unlock()

    async def wait_for_exit(self) -> int:
        """Wait until the mongod that runs now has ended; its exit code, or minus its signal."""
        assert self._process is not None, "not started yet"
        return await self._process.wait()

    async def _launch(self, program: str) -> None:
        """Start mongod and return when it takes writes; on failure none is left."""
        files, log = self._folder.files, self._folder.log
        self._process = process = await launch_mongod(program, files, self._port, log)
        ready = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_TIMEOUT_S):
                    ready = await becomes_primary(process, self._port)
        finally:
            if not ready:
                await end_mongod(process)
        if not ready:
            raise StartupError(
                f"The embedded mongod did not get ready ({ending_of(process)}): "
                f"{last_words(log)}; its log is {log}. Mend what it says, or set "
                "HEADWATER_MONGODB_URI to a database of your own."
            )

    async def _supervise(self, program: str) -> None:
        loop, delay_s = asyncio.get_running_loop(), RESTART_DELAY_S_MIN
        while self._process is not None:
            started_at = loop.time()
            await self._watch(self._process)
            if loop.time() - started_at > HEALTHY_AFTER_S:
                delay_s = RESTART_DELAY_S_MIN
            logger.warning("mongod ended (%s); starting it again", ending_of(self._process))
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RESTART_DELAY_S_MAX)
            try:
                await self._launch(program)
            except (StartupError, OSError) as error:
                logger.error("%s", error)

    async def _watch(self, process: Process) -> None:
        """Wait for the end of `process`, its log kept within bounds meanwhile."""
        while process.returncode is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOG_CHECK_S):
                    await process.wait()
            rotate_log(self._folder.log, LOG_BYTES_MAX)

    def _write_record(self, *, owner: int | None) -> None:
        if self._port:  # else nothing is known that would be worth the overwriting
            self._folder.write_record(self.uri, self._port, owner=owner)


@asynccontextmanager
async def join_or_start(data_dir: Path, mongod: str | None = None) -> AsyncGenerator[str]:
    """The URI of the folder's mongod: the running one, else one for the length of the block.

    Args:
        data_dir: The data folder, as for `EmbeddedMongo`.
        mongod: The program, should one have to be started.

    Raises:
        StartupError: It cannot be started, or its owner did not get it started within a minute.
    """
    embedded = EmbeddedMongo(data_dir, mongod)
    uri, now = None, asyncio.get_running_loop().time
    deadline = now() + START_TIMEOUT_S
    while uri is None:
        try:
            uri = await embedded.start()
        except FolderInUse as error:
            record = DataFolder(data_dir).record()
            if error.owner is not None and record.get("owner") == error.owner:
                uri = str(record["uri"])
            elif now() > deadline:
                raise
            else:  # its owner is starting it, or ending it and leaving us the lock
                await asyncio.sleep(POLL_S)
    try:
        yield uri
    finally:
        await embedded.stop()
