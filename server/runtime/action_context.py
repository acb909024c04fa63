"""What an action is given: reads, writes that each stand by themselves, and the world."""

from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar

from schemas.document import Document
from schemas.storable import storable
from schemas.wire.position import Time
from server.live.fields import check_filter, check_texts
from server.llm import Claude
from server.runtime.caller import Caller
from server.runtime.functions import Function
from server.runtime.query_context import addressed
from server.runtime.scheduler import Scheduling
from server.runtime.write_context import OpenSession, WriteCtx
from server.store.writes import bson_bytes

__all__ = ["ActionCtx", "Host", "ToolCtx"]

P = ParamSpec("P")
R = TypeVar("R")


class Host(Protocol):
    """What the runtime does for one action."""

    @property
    def claude(self) -> Claude:
        """Claude, or its stand-in."""
        ...

    @property
    def scheduling(self) -> Scheduling:
        """Where it schedules calls."""
        ...

    @property
    def tools(self) -> Mapping[str, Any]:
        """The tools that this server runs, by name."""
        ...

    async def run_mutation(
        self, function: Function[..., Awaitable[Any]], arguments: Mapping[str, Any]
    ) -> tuple[Any, Time]:
        """Run a mutation as a transaction of its own."""
        ...

    async def respond(self, value: Any) -> None:
        """Answer the caller."""
        ...

    def follow(
        self, function: Function[..., Any], arguments: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """The values of a query."""
        ...

    def start(self, function: Function[..., Any], arguments: Mapping[str, Any]) -> None:
        """Start an action."""
        ...

    async def append(
        self, collection: str, query: Mapping[str, Any], update: Mapping[str, Any]
    ) -> tuple[bool, Time]:
        """Append to a document, together with what other actions append."""
        ...

    async def run_tool(
        self, function: Function[..., Any], arguments: Mapping[str, Any], ctx: "ToolCtx"
    ) -> Any:
        """Run a tool; what it returned, as JSON."""
        ...

    def tally(self, name: str, amount: int) -> None:
        """Add to a counter of ``/metrics``."""
        ...


class ActionCtx(WriteCtx):
    """What an action is given.

    Attributes:
        claude: Claude, or its stand-in.
        tools: The tools that this server runs, by name.
        responded: Whether the caller has been answered.
    """

    def __init__(self, open_session: OpenSession, host: Host, caller: Caller) -> None:
        super().__init__(open_session, host.scheduling, caller)
        self._open_session = open_session
        self._caller = caller
        self._host = host
        self.responded = False

    @property
    def claude(self) -> Claude:
        """Claude, or its stand-in.

        Raises:
            NotInMemory: The database is ``memory:``.
        """
        return self._host.claude

    @property
    def tools(self) -> Mapping[str, Any]:
        """The tools that this server runs, by name."""
        return self._host.tools

    async def respond(self, value: Any) -> None:
        """Answer the caller now, and work on.

        Raises:
            RuntimeError: The caller has been answered before.
        """
        if self.responded:
            raise RuntimeError("An action responds once; write later news into a document.")
        self.responded = True
        try:
            await self._host.respond(value)
        except BaseException:
            self.responded = False
            raise

    async def append_together(
        self, table: type[Document], query: Mapping[str, Any], texts: Mapping[str, str]
    ) -> bool:
        """What `append` does, in one write with what other actions append at the same time.

        Each stays a change of its own. MongoDB counts matches and does not name them, so this is
        for a *fence* only: a filter that never matches again once it did not, and that the append
        itself does not change.
        """
        check_filter(table, query)
        check_texts(table, texts)
        matched, time = await self._host.append(
            table.collection, addressed(table, query), {"$push": dict(texts)}
        )
        self._sessions.time = max(self._sessions.time, time)
        return matched

    async def run_mutation(self, function: Function[P, Awaitable[R]], **arguments: Any) -> R:
        """Run a mutation of Python arguments as a transaction of its own, for the same caller."""
        value, time = await self._host.run_mutation(function, arguments)
        self._sessions.time = max(self._sessions.time, time)
        return value

    def follow(self, function: Function[..., Any], **arguments: Any) -> AsyncGenerator[Any, None]:
        """Follow a query of Python arguments: its value as clients see it, and each that differs.

        A reader that is slow gets the newest value; those in between are skipped. Leave it by
        `contextlib.aclosing`::

            async with aclosing(ctx.follow(by_board, board="x")) as values:
                async for notes in values: ...
        """
        return self._host.follow(function, arguments)

    def start(self, function: Function[..., Any], **arguments: Any) -> None:
        """Start an action of Python arguments in this process; nobody waits for it.

        Raises:
            TooMany: This process has as many actions at work as it may.
        """
        self._host.start(function, arguments)

    async def run_tool(
        self, name: str, arguments: Mapping[str, Any], *, task_id: str, message_id: str,
        tool_call_id: str,
    ) -> Any:  # fmt: skip
        """Run a tool of this server with what Claude gave; what it returned, as JSON.

        Raises:
            KeyError: There is no such tool.
            InvalidArguments: The arguments do not fit.
        """
        ctx = ToolCtx(self._open_session, self._host, self._caller)
        ctx.task_id, ctx.message_id, ctx.tool_call_id = task_id, message_id, tool_call_id
        return await self._host.run_tool(self.tools[name], arguments, ctx)

    def tally(self, name: str, amount: int) -> None:
        """Add `amount` to the counter `name` of ``/metrics``."""
        self._host.tally(name, amount)

    def stored_bytes(self, written: Mapping[str, Any]) -> int:
        """How many bytes an update, or a document, takes on its way to MongoDB."""
        return bson_bytes(storable(written))


class ToolCtx(ActionCtx):
    """What a tool is given: all that an action is, and which call it answers.

    Attributes:
        task_id: The task whose conversation this is.
        message_id: The message that is being written.
        tool_call_id: The call, as Claude names it.
    """

    task_id = ""
    message_id = ""
    tool_call_id = ""

    async def respond(self, value: Any) -> None:
        """A tool has no caller to answer; what it returns goes to Claude.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError("A tool answers Claude by what it returns; it cannot respond.")
