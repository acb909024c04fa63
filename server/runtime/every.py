"""Functions that run by themselves every so many seconds, on one process at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pymongo.errors import PyMongoError

from server.core.errors import HeadwaterError
from server.core.tasks import raise_if_cancelled
from server.runtime.action_context import ActionCtx
from server.store.schedules import Schedules

__all__ = ["Every", "every", "keep_running"]

_log = logging.getLogger("headwater")

Body = Callable[[ActionCtx], Awaitable[None]]


class Every:
    """A function that runs every `seconds`. Calling it in Python calls the function itself.

    Attributes:
        seconds: Between the beginnings of two runs.
        timeout: How long a run may take, in seconds; past it, it is cancelled.
    """

    def __init__(self, body: Body, seconds: float, timeout: float) -> None:
        self.body = body
        self.seconds = seconds
        self.timeout = timeout
        self.__name__ = body.__name__
        self.__module__ = body.__module__
        self.__doc__ = body.__doc__

    async def __call__(self, ctx: ActionCtx) -> None:
        """Call the Python function."""
        await self.body(ctx)


def every(*, seconds: float, timeout: float = 60.0) -> Callable[[Body], Every]:
    """Make a function run every `seconds` on one of all processes, by a lease in MongoDB.

    A process that dies in the middle is followed by another when the run's `timeout` is over, so
    what the function does must be harmless to do again.

    Args:
        seconds: Between the beginnings of two runs.
        timeout: How long one run may take, in seconds.
    """
    if seconds <= 0 or timeout <= 0:
        raise ValueError("every takes seconds and a timeout, both above 0.")
    return lambda body: Every(body, seconds, timeout)


async def keep_running(
    name: str, one: Every, schedules: Schedules, context: Callable[[str], ActionCtx]
) -> None:
    """Run `one` whenever it is due and this process is the one that gets it.

    Args:
        name: Its wire name.
        one: The function.
        schedules: Where the processes agree on who runs it.
        context: Gives what a run is given.
    """
    await schedules.prepare(name)
    while True:
        raise_if_cancelled()
        await asyncio.sleep(one.seconds)
        try:
            if not await schedules.claim(name, one.timeout):
                continue
            try:
                raise_if_cancelled()
                async with asyncio.timeout(one.timeout):
                    await one.body(context(name))
            finally:
                await schedules.finish(name, one.seconds)
        except TimeoutError:
            _log.warning("%s took longer than its %g s and was cancelled.", name, one.timeout)
        except (PyMongoError, HeadwaterError) as error:
            raise_if_cancelled()
            _log.warning("%s failed (%s); it runs again.", name, type(error).__name__)
