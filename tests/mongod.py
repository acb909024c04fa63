"""A mongod as somebody else may have started it."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from socket import socket

from pymongo import AsyncMongoClient

from server.store.mongod import find_mongod

PORTS = range(20_000, 32_000)
"""Below those that a system gives to whoever asks for any, so that nobody is given one of them."""


def unused_port() -> int:
    """One that is free, and stays so until it is used."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with closing(socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@asynccontextmanager
async def bare_mongod(folder: Path, *flags: str) -> AsyncIterator[str]:
    """One that we own no part of; gives its ``host:port``."""
    os.mkdir(folder)
    port = unused_port()
    process = await asyncio.create_subprocess_exec(
        *(find_mongod(), "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"),
        *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--logpath", str(folder / "log")),
        *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)", *flags),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with AsyncMongoClient("127.0.0.1", port, directConnection=True) as client:
            await client.admin.command("ping")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()
