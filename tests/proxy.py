"""A small TCP proxy that can cut what goes through it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes bytes between clients and one server, until it cuts them.

    Attributes:
        cuts: How many connections were cut.
        pieces: How often something was passed to a client.
        port: The server's; new connections go there.
        refusing: Whether new connections are closed at once.
        losing: How many answers to calls, as a probability, are lost, and their connections too.
    """

    def __init__(self, port: int, rng: random.Random) -> None:
        self.port = port
        self._rng = rng
        self._open: set[asyncio.StreamWriter] = set()
        self._news = asyncio.Event()
        self.cuts = 0
        self.pieces = 0
        self.refusing = False
        self.losing = 0.0
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.close()
            return
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.port)
        self._open.add(writer)
        try:
            told = self._pipe(upstream_reader, writer, loses=True)
            await asyncio.gather(self._pipe(reader, upstream), told)
        finally:
            self._open.discard(writer)
            for one in (writer, upstream):
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, loses: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(self._rng.randrange(1, 2000)):
                if loses and b'"position":' in data and self._rng.random() < self.losing:
                    self._cut(writer)
                    return
                writer.write(data)
                await writer.drain()
                if loses:
                    self.pieces += 1
                    self._news.set()
        writer.close()

    async def passed(self, pieces: int) -> None:
        """Wait until clients have been told so many more, however long that takes."""
        end = self.pieces + pieces
        while self.pieces < end:
            self._news.clear()
            await self._news.wait()

    def cut_one(self) -> bool:
        """Reset one open connection, in the middle of whatever it says; whether there was one."""
        if not self._open:
            return False
        self._cut(self._rng.choice(sorted(self._open, key=id)))
        return True

    def _cut(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.transport.abort()
        self.cuts += 1


@asynccontextmanager
async def proxy_to(port: int, rng: random.Random) -> AsyncIterator[Proxy]:
    """A proxy in front of `port`."""
    proxy = Proxy(port, rng)
    listener = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listener.close()
        while proxy.cut_one():
            pass
        await listener.wait_closed()
