"""Functions that run by themselves every so many seconds, on one process at a time."""

from collections.abc import Awaitable, Callable

from server.runtime.action_context import ActionCtx

__all__ = ["Every", "every"]

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

    The first run is at once, in the life of a database. Beginnings are `seconds` apart however
    long runs take; those that were missed are left out. A process that dies in the middle is
    followed by another within ten seconds, and one that is told to stop hands its run over, so
    what the function does must be harmless to do again.

    Args:
        seconds: Between the beginnings of two runs.
        timeout: How long one run may take, in seconds.
    """
    if seconds <= 0 or timeout <= 0:
        raise ValueError("every takes seconds and a timeout, both above 0.")
    return lambda body: Every(body, seconds, timeout)
