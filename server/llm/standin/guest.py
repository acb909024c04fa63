"""A uvicorn server that is a guest in its process."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

__all__ = ["GuestServer"]

POLL_SECONDS = 0.005
TICK_SECONDS = 1.0


class GuestServer(uvicorn.Server):
    """It takes no signals, and ends when told: uvicorn's own looks ten times a second whether to.

    Attributes:
        ready: Set once it listens.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._told_to_stop = asyncio.Event()

    def stop(self) -> None:
        """Let `serve` come to its end."""
        self.should_exit = True
        self._told_to_stop.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave them to the host."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets=sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Renew the ``Date`` of answers, until told to stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._told_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is idle, and give requests under way the time that the configuration says."""
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(POLL_SECONDS)
        for task in list(state.tasks):
            task.cancel("The server stopped before the request had ended.")
