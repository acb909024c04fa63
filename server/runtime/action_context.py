"""What an action is given: reads, writes that each stand by themselves, and the world."""

from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

from server.llm import Claude
from server.runtime.functions import Function
from server.runtime.write_context import OpenSession, WriteCtx

__all__ = ["ActionCtx"]

P = ParamSpec("P")
R = TypeVar("R")


class ActionCtx(WriteCtx):
    """What an action is given.

    Attributes:
        claude: Claude, or its stand-in.
        responded: Whether the caller has been answered.
    """

    def __init__(
        self,
        open_session: OpenSession,
        claude: Claude,
        run_mutation: Callable[..., Awaitable[Any]],
        respond: Callable[[Any], Awaitable[None]],
    ) -> None:
        super().__init__(open_session)
        self._run_mutation = run_mutation
        self._respond = respond
        self.claude = claude
        self.responded = False

    async def respond(self, value: Any) -> None:
        """Answer the caller now, and work on.

        Raises:
            RuntimeError: The caller has been answered before.
        """
        if self.responded:
            raise RuntimeError("An action responds once; write later news into a document.")
        self.responded = True
        try:
            await self._respond(value)
        except BaseException:
            self.responded = False
            raise

    async def run_mutation(self, function: Function[P, Awaitable[R]], **arguments: Any) -> R:
        """Run a mutation of Python arguments as a transaction of its own, for the same caller."""
        value, time = await self._run_mutation(function, arguments)
        self._sessions.time = max(self._sessions.time, time)
        return value
