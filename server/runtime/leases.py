"""Keeping a lease beside the work that it is for."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from pymongo.errors import PyMongoError

from server.core.errors import Unavailable
from server.core.tasks import end_tasks, raise_if_cancelled

__all__ = ["LeaseLost", "kept"]

RENEWALS = 3
"""How often a lease is renewed before it would end."""


class LeaseLost(Unavailable):
    """Somebody else may have taken over what this process was at."""


@asynccontextmanager
async def kept(
    renew: Callable[[], Awaitable[bool]] | None, seconds: float, since: float
) -> AsyncGenerator[None]:
    """Keep a lease of `seconds` beside the block, which ends when it is lost.

    It counts as lost when its time is over by our own clock, counted from before it was asked
    for, so never later than MongoDB gives it to another.

    Args:
        renew: Renews it; whether there was one to renew. None for one that is not renewed.
        seconds: How long it lasts from then on.
        since: When it was asked for, by the loop's clock.

    Raises:
        LeaseLost: In place of the cancellation of the block.
    """
    loop = asyncio.get_running_loop()
    scope = asyncio.timeout_at(since + seconds)
    try:
        async with scope, _beside(renew and _keep(renew, seconds, scope)):
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise LeaseLost(
            f"The lease of {seconds:g} s was lost at {loop.time() - since:.1f} s."
        ) from None


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None] | None) -> AsyncGenerator[None]:
    task = asyncio.create_task(work) if work is not None else None
    try:
        yield
    finally:
        if task is not None:
            await end_tasks(task)


async def _keep(
    renew: Callable[[], Awaitable[bool]], seconds: float, scope: asyncio.Timeout
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds / RENEWALS)
        asked = loop.time()
        renewed: bool | None = None
        with contextlib.suppress(PyMongoError):  # asked again, as long as the lease lasts
            renewed = await renew()
        raise_if_cancelled()
        if scope.expired():
            return
        if renewed is not None:
            scope.reschedule(asked + seconds if renewed else loop.time())
        if renewed is False:
            return
