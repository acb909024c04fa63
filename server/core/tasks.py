"""The ends of tasks, and those that live as long as the server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

__all__ = ["end_tasks", "raise_if_cancelled", "supervised"]

_log = logging.getLogger("headwater")

RESTART_SECONDS = 1.0
CANCEL_AGAIN_SECONDS = 2.0


def raise_if_cancelled() -> None:
    """Raise CancelledError where this task was cancelled and somebody swallowed it.

    On Python 3.11 `asyncio.wait_for`, which PyMongo sends with, returns as if nothing had been
    cancelled when it is done at that very moment; a loop over operations would then never end.

    Source: https://github.com/python/cpython/issues/86296, mended in 3.12.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and wait until all have ended, whatever that raises.

    They are cancelled again while they have not: a cancellation can be swallowed, as
    `raise_if_cancelled` says.
    """
    while late := [task for task in tasks if not task.done()]:
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=CANCEL_AGAIN_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # nobody asks for it any more


@contextlib.asynccontextmanager
async def supervised(name: str, body: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Run `body` beside the block, again after it failed, and end it when the block ends."""

    async def forever() -> None:
        while True:
            try:
                await body()
                return
            except Exception:  # noqa: BLE001  # this is where a task is supervised
                raise_if_cancelled()
                _log.exception("%s failed; starting it again", name)
                await asyncio.sleep(RESTART_SECONDS)

    task = asyncio.create_task(forever(), name=name)
    try:
        yield
    finally:
        await end_tasks(task)
