"""The stand-in on a port of this machine, inside the event loop that is running."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, cast

import uvicorn
from starlette.types import Scope

from server.llm.standin.app import DELTAS_PER_SECOND, Standin, create_standin
from server.llm.standin.guest import GuestServer
from server.llm.standin.requests import ReceivedRequest
from server.llm.standin.script import Script

__all__ = ["StandinServer", "run_standin"]

_BACKLOG = 128


class StandinServer:
    """A stand-in that answers over real HTTP; it starts once and stops once.

    Args:
        script: What to say; None improvises.
        host: The address to bind.
        port: The port to bind; 0 takes a free one.
        deltas_per_second: The pace of improvised replies.
        script_interval_ms: Between the deltas of scripted replies and the events of recordings,
            where they do not say.
        cache_tokens_min: The shortest prompt that is cached.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        deltas_per_second: float = DELTAS_PER_SECOND,
        script_interval_ms: float = 0,
        cache_tokens_min: int = 1,
    ) -> None:
        self._host = host
        self._port = port
        app = create_standin(
            script,
            deltas_per_second=deltas_per_second,
            script_interval_ms=script_interval_ms,
            cache_tokens_min=cache_tokens_min,
        )
        self._standin: Standin = app.state.standin
        # Neither a log configuration nor a level: both are the process's, and not ours to set.
        config = uvicorn.Config(
            app, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=1
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None
        self.base_url = ""
        """What `start` returned."""

    @property
    def script(self) -> Script:
        """What it will say next."""
        return self._standin.script

    @property
    def requests(self) -> Sequence[ReceivedRequest]:
        """The last requests, oldest first."""
        return self._standin.requests

    async def start(self) -> str:
        """Listen, and return the base URL.

        Raises:
            OSError: The port is taken.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.create_server((self._host, self._port), family=family, backlog=_BACKLOG)
        # asyncio sets this on sockets it makes itself, and not on what a given one accepts.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = listener.getsockname()[1]
        self._standin.abort = self._server.reset
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="standin")
        await self._server.ready.wait()
        host = f"[{self._host}]" if family == socket.AF_INET6 else self._host
        self.base_url = f"http://{host}:{port}"
        return self.base_url

    async def stop(self) -> None:
        """End open streams and close the port; again, or before `start`, does nothing."""
        if self._serving is None:
            return
        self._standin.closing.set()
        self._server.stop()
        serving, self._serving = self._serving, None
        await serving

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()


class _Server(GuestServer):
    """One that can also break off an answer, as a lost connection does."""

    def reset(self, scope: Scope) -> None:
        """Reset the connection of a request, so that its client reads an error and no end."""
        for connection in cast("set[Any]", self.server_state.connections):
            if connection.client == scope["client"]:
                transport = connection.transport
                linger_not = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger_not
                )
                transport.abort()
                return


def run_standin(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    script: Script | None = None,
    deltas_per_second: float = DELTAS_PER_SECOND,
    script_interval_ms: float = 0,
    announce: Callable[[str], None] = lambda url: print(url, flush=True),
) -> None:
    """Run a stand-in until Ctrl-C, telling `announce` its base URL; else as `StandinServer`."""

    async def serve() -> None:
        server = StandinServer(
            script,
            host=host,
            port=port,
            deltas_per_second=deltas_per_second,
            script_interval_ms=script_interval_ms,
        )
        announce(await server.start())
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
