"""Tasks that live as long as the server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["supervised"]

_log = logging.getLogger("headwater")

RESTART_SECONDS = 1.0


@contextlib.asynccontextmanager
async def supervised(name: str, body: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Run `body` beside the block, again after it failed, and cancel it when the block ends."""

    async def forever() -> None:
        while True:
            try:
                await body()
                return
            except Exception:  # noqa: BLE001  # this is where a task is supervised
                _log.exception("%s failed; starting it again", name)
                await asyncio.sleep(RESTART_SECONDS)

    task = asyncio.create_task(forever(), name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
