"""A replica set of three mongods on loopback, whose members can be made to fail.

No mongod is left behind: the block that has it ends it, and should the tests themselves be
killed, the kernel kills each, even one that is frozen.
"""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from server.store.mongod import find_mongod
from tests.mongod import unused_port

NAME = "fire"
ELECTION_TIMEOUT_MS, HEARTBEAT_MS = 500, 100
POLL_SECONDS = 0.02
FLAGS = [
    *("--replSet", NAME, "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"),
    *("--wiredTigerCacheSizeGB", "0.25"),
    *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    *("--setParameter", "enableTestCommands=1"),  # for fail points
]

# SIGTERM would wait for ever at the door of a frozen process.
LAUNCHER = f"""
import ctypes, os, sys
parent, *command = sys.argv[1:]
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, {int(signal.SIGKILL)})
if os.getppid() == int(parent):
    os.execv(command[0], command)
"""

Client = AsyncMongoClient[dict[str, Any]]


@dataclass
class Member:
    """One mongod, which may be dead or frozen."""

    number: int
    port: int
    folder: Path
    flags: tuple[str, ...]
    process: Process | None = None
    client: Client | None = None
    frozen: bool = False

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Launch it, and wait until it answers."""
        os.makedirs(self.folder, exist_ok=True)
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid())),
            *(find_mongod(), "--dbpath", str(self.folder), "--port", str(self.port)),
            *("--logpath", str(self.folder / "log"), "--logappend", *FLAGS, *self.flags),
            stdin=DEVNULL,
            stdout=DEVNULL,
            start_new_session=True,
        )
        self.client = Client(
            "127.0.0.1",
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=2_000,
            socketTimeoutMS=5_000,
            appName="tests",
        )
        async with asyncio.timeout(60):
            while await self.hello() is None:
                assert self.alive, f"mongod {self.number} ended; see {self.folder / 'log'}"
                await asyncio.sleep(POLL_SECONDS)

    async def hello(self) -> dict[str, Any] | None:
        """Its answer to ``hello``; None where it gives none."""
        if not self.alive or self.frozen or self.client is None:
            return None
        with suppress(PyMongoError, TimeoutError):
            async with asyncio.timeout(2):
                return await self.client.admin.command("hello")
        return None

    async def kill(self) -> None:
        """``kill -9``."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        self.frozen = False
        if self.client is not None:
            await self.client.close()
            self.client = None

    def freeze(self) -> None:
        """``SIGSTOP``: it keeps its connections and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """``SIGCONT``."""
        if self.frozen and self.process is not None:
            self.process.send_signal(signal.SIGCONT)
        self.frozen = False


class ReplicaSet:
    """Three mongods (or fewer), one of which is the primary most of the time."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    def uri(self, database: str) -> str:
        hosts = ",".join(member.host for member in self.members)
        return f"mongodb://{hosts}/{database}?replicaSet={NAME}"

    async def start(self) -> None:
        """Start all members and make them a set."""
        await asyncio.gather(*(member.start() for member in self.members))
        first = self.members[0].client
        assert first is not None
        await first.admin.command(
            "replSetInitiate",
            {
                "_id": NAME,
                "members": [{"_id": one.number, "host": one.host} for one in self.members],
                "settings": {
                    "electionTimeoutMillis": ELECTION_TIMEOUT_MS,
                    "heartbeatIntervalMillis": HEARTBEAT_MS,
                },
            },
        )
        await self.primary()

    async def primary(self) -> Member:
        """Wait for a primary that takes writes; the one of the latest election."""
        async with asyncio.timeout(60):
            while True:
                told = [(one, await one.hello()) for one in self.members]
                primaries = [
                    (hello["electionId"], one)
                    for one, hello in told
                    if hello is not None and hello.get("isWritablePrimary")
                ]
                if primaries:
                    return max(primaries, key=lambda one: one[0])[1]
                await asyncio.sleep(POLL_SECONDS)

    async def command(self, *command: Any, **fields: Any) -> Any:
        """Run an administrator's command on the primary."""
        primary = await self.primary()
        assert primary.client is not None
        return await primary.client.admin.command(*command, **fields)

    async def step_down(self, seconds: int = 1) -> None:
        """The primary steps down and does not stand for election for so long."""
        with suppress(PyMongoError):  # it may close the connection that asked
            await self.command("replSetStepDown", seconds, secondaryCatchUpPeriodSecs=0, force=True)

    async def kill_primary(self) -> Member:
        """``kill -9`` the primary, and tell which it was."""
        member = await self.primary()
        await member.kill()
        return member

    async def freeze_primary(self) -> Member:
        """``SIGSTOP`` the primary, and tell which it was."""
        member = await self.primary()
        member.freeze()
        return member

    async def kill_all_sessions(self) -> None:
        """Kill every session, and every cursor and operation with it."""
        await self.command({"killAllSessions": []})

    async def fail(self, *commands: str, times: int = 1, **data: Any) -> None:
        """Let the next `times` of `commands` fail on the primary, as `data` says.

        Args:
            commands: Names of commands, such as ``getMore``.
            times: How many of them.
            data: ``errorCode``, or ``closeConnection``; ``appName`` narrows it to one client.
        """
        await self.command(
            {
                "configureFailPoint": "failCommand",
                "mode": {"times": times},
                "data": {"failCommands": list(commands), **data},
            }
        )

    async def fail_feed(self, code: int) -> None:
        """Let the next ``getMore`` of a server's change stream fail, beside what fails already."""
        # One fail point of a name is in force at a time; this one is another's.
        await self.command(
            {
                "configureFailPoint": "failGetMoreAfterCursorCheckout",
                "mode": {"times": 1},
                "data": {"errorCode": code},
            }
        )

    async def stop_failing(self) -> None:
        """No member fails by order any more."""
        for member in self.members:
            if member.alive and not member.frozen and member.client is not None:
                with suppress(PyMongoError):
                    await member.client.admin.command(
                        {"configureFailPoint": "failCommand", "mode": "off"}
                    )

    async def heal(self) -> None:
        """Everybody lives and answers, and there is a primary."""
        for member in self.members:
            member.thaw()
        await asyncio.gather(*(one.start() for one in self.members if not one.alive))
        await self.stop_failing()
        await self.primary()


@asynccontextmanager
async def replica_set(folder: Path, *flags: str, size: int = 3) -> AsyncIterator[ReplicaSet]:
    """A replica set whose data is in `folder`, which goes with it."""
    os.mkdir(folder)
    members = [Member(number, unused_port(), folder / str(number), flags) for number in range(size)]
    try:
        await (made := ReplicaSet(members)).start()
        yield made
    finally:
        await asyncio.gather(*(member.kill() for member in members))
        shutil.rmtree(folder, ignore_errors=True)
