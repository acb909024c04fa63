"""The actions at work in this process: started, answered, and told to stop."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pymongo.errors import DuplicateKeyError

from schemas.names import stored_name
from schemas.wire.position import Time
from server.core import limits
from server.core.errors import HeadwaterError, KeyInUse, NotInMemory, TooMany, Unavailable
from server.live.held import encode
from server.live.projection import to_json
from server.live.registry import Registry
from server.llm import Claude
from server.runtime.action_context import ActionCtx, ToolCtx
from server.runtime.answer import Answer
from server.runtime.appends import Appends
from server.runtime.caller import ANONYMOUS, Caller
from server.runtime.catalog import Catalog
from server.runtime.explain import explain, explained
from server.runtime.following import follow
from server.runtime.functions import Function
from server.runtime.idempotency import KeyedCall
from server.runtime.query_context import QueryCtx
from server.runtime.scheduler import Scheduling
from server.runtime.shared_key import SharedKey
from server.runtime.tools import Tool
from server.runtime.transactions import read, transaction, write
from server.store.reads import Reads
from server.store.writes import Session, Writes

__all__ = ["Actions"]

_log = logging.getLogger("headwater")


class Actions:
    """The actions at work.

    Args:
        catalog: Whose tools they may run.
        scheduling: Where they schedule calls.
        registry: Whose queries they may follow.
        reads: The database.
        writes: The same.
        claude: Claude, or its stand-in; None where the database is in memory.

    Attributes:
        counters: What actions have counted, by name.
    """

    def __init__(
        self,
        catalog: Catalog,
        scheduling: Scheduling,
        registry: Registry,
        reads: Reads,
        writes: Writes,
        claude: Claude | None,
    ) -> None:
        self.catalog = catalog
        self.scheduling = scheduling
        self.registry = registry
        self.reads = reads
        self.writes = writes
        self.claude = claude
        self.appends = Appends(writes)
        self.counters: Counter[str] = Counter()
        self._at_work: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        caller: Caller,
        *,
        key: str | None = None,
        wait: bool = False,
    ) -> Answer:
        """Run an action until it responds, or with `wait` until it ends; it works on by itself."""
        function = self.catalog.find(name, "action")
        parsed = function.parse(arguments, name)
        self._check_room()
        keyed = KeyedCall(key, name, arguments, caller) if key is not None else None
        if keyed is not None and (kept := await self._claim(keyed, name)) is not None:
            return kept
        call = _Call(self, name, caller, keyed, wait=wait)
        self._begin(name, call.work(function, parsed))
        return await asyncio.shield(call.answer)

    async def run(
        self,
        name: str,
        function: Function[..., Any],
        arguments: Mapping[str, Any],
        caller: Caller,
    ) -> None:
        """Run an action to its end, be it internal or not; nobody wants its answer.

        Raises:
            HeadwaterError: It failed.
        """
        call = _Call(self, name, caller, None, wait=True)
        await call.work(function, function.parse(arguments, name))
        await call.answer

    def start(
        self, function: Function[..., Any], arguments: Mapping[str, Any], caller: Caller
    ) -> None:
        """Start an action of Python arguments; nobody waits for it.

        Raises:
            TooMany: There are as many at work as there may be.
            Unavailable: The server is stopping.
        """
        self._check_room()
        call = _Call(self, function.__name__, caller, None, wait=False)
        self._begin(function.__name__, call.work(function, arguments))

    def context(self, name: str) -> ActionCtx:
        """What a function is given that runs by itself."""
        return _Call(self, name, ANONYMOUS, None, wait=False).ctx

    def _check_room(self) -> None:
        if self._stopping:
            raise Unavailable("The server is stopping; ask again in a moment.")
        if len(self._at_work) >= limits.ACTIONS_MAX:
            raise TooMany("This server has as many actions at work as it may; ask again later.")

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"action {name}")
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _claim(self, keyed: KeyedCall, name: str) -> Answer | None:
        """Claim the key, or give the answer that is kept under it."""
        with explained(name):
            async with self.writes.single() as session:
                if (kept := await keyed.answer(session)) is not None:
                    return Answer(kept, session.time)
                try:
                    await keyed.begin(session)
                except DuplicateKeyError:
                    raise KeyInUse(
                        f"{name} is at work under this Idempotency-Key; ask again."
                    ) from None
        return None

    async def stop(self) -> None:
        """Cancel the actions at work and wait, bounded, while they write their last words.

        A cancellation can be swallowed (see `raise_if_cancelled`), so whoever is still at work
        after half of the time is told once more.
        """
        self._stopping = True
        for _ in range(2):
            actions = list(self._at_work)
            for task in actions:
                task.cancel()
            if actions:
                await asyncio.wait(actions, timeout=limits.SHUTDOWN_SECONDS / 2)
        await self.appends.stop()


class _Call:
    """One action at work; the `Host` of its context.

    Attributes:
        answer: What its caller is told.
        ctx: What its function is given.
    """

    def __init__(
        self, actions: Actions, name: str, caller: Caller, keyed: KeyedCall | None, *, wait: bool
    ) -> None:
        self._actions = actions
        self._name = name
        self._caller = caller
        self._keyed = keyed
        self._wait = wait
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.ctx = ActionCtx(self._open_session, self, caller)

    async def work(self, function: Function[..., Any], parsed: Mapping[str, Any]) -> None:
        """Run it to its end; whatever comes of it is its answer."""
        name, ctx = self._name, self.ctx
        try:
            async with asyncio.timeout(limits.ACTION_SECONDS_MAX):
                value = await read(await function.invoke(ctx, parsed, self._caller))
            if not ctx.responded:
                await self.respond(value)
            if not self.answer.done():
                self._resolve(Answer(encode(to_json(value)), await self._known(ctx.time)))
        except asyncio.CancelledError:
            self._fail(Unavailable("The server is stopping; ask again in a moment."))
            await self._forget()
            raise
        except Exception as error:  # noqa: BLE001  # whatever an action raises is its answer
            known = explain(name, error)
            await self._forget()
            if known is error and self.answer.done():  # nobody else will tell
                _log.warning("%s failed after its answer: %s", name, known.message)
            self._fail(known)

    @asynccontextmanager
    async def _open_session(self) -> AsyncGenerator[Session]:
        with explained(self._name):
            async with self._actions.writes.single() as session:
                yield session
        self.scheduling.committed()

    async def _known(self, time: Time) -> Time:
        return time if time > Time(0, 0) else await self._actions.reads.now()

    def _resolve(self, value: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(value)

    def _fail(self, error: HeadwaterError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # seen, even where the caller has gone

    async def _forget(self) -> None:
        """Let go of the idempotency key of a call that never answered."""
        if self._keyed is None or self.ctx.responded:
            return
        try:
            async with self._actions.writes.single() as session:
                await self._keyed.forget(session)
        except Exception as error:  # noqa: BLE001  # the claim expires by itself
            _log.warning("An idempotency key was not let go (%s).", type(error).__name__)

    # --- what its context can do ---------------------------------------------------------------

    @property
    def claude(self) -> Claude:
        """Claude, or its stand-in."""
        if self._actions.claude is None:
            raise NotInMemory.of("streaming what Claude says")
        return self._actions.claude

    @property
    def scheduling(self) -> Scheduling:
        """Where it schedules calls."""
        return self._actions.scheduling

    @property
    def tools(self) -> Mapping[str, Tool[..., Any]]:
        """The tools that this server runs, by name."""
        return self._actions.catalog.tools

    async def run_mutation(
        self, function: Function[..., Awaitable[Any]], arguments: Mapping[str, Any]
    ) -> tuple[Any, Time]:
        """Run a mutation as a transaction of its own."""

        async def body(session: Session) -> Any:
            return await write(
                function, self._name, session, arguments, self._caller, self.scheduling
            )

        with explained(self._name):
            written = await transaction(self._actions.writes, self._name, body)
        self.scheduling.committed()
        return written

    async def respond(self, value: Any) -> None:
        """Answer the caller, and keep the answer under its key."""
        encoded = encode(to_json(value))
        time = await self._known(self.ctx.time)
        if self._keyed is not None:
            async with self._open_session() as session:
                await self._keyed.finish(session, encoded)
        if not self._wait:
            self._resolve(Answer(encoded, time))

    def follow(
        self, function: Function[..., Any], arguments: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """The values of a query."""
        caller = self._caller

        async def run(reader: Any) -> Any:
            return await function.invoke(QueryCtx(reader), arguments, caller)

        who = caller.key if function.wants_caller else ""
        module = function.__module__.rpartition(".")[2]
        name = f"{stored_name(module)}.{stored_name(function.__name__)}"
        key = SharedKey(name, encode(to_json(arguments)), who)
        return follow(self._actions.registry, key, name, run, self.ctx.time)

    def start(self, function: Function[..., Any], arguments: Mapping[str, Any]) -> None:
        """Start an action."""
        self._actions.start(function, arguments, self._caller)

    async def append(
        self, collection: str, query: Mapping[str, Any], update: Mapping[str, Any]
    ) -> tuple[bool, Time]:
        """Append to a document, together with what other actions append."""
        with explained(self._name):
            return await self._actions.appends.append(collection, query, update)

    async def run_tool(
        self, function: Function[..., Any], arguments: Mapping[str, Any], ctx: ToolCtx
    ) -> Any:
        """Run a tool; what it returned, as JSON."""
        name = function.__name__
        parsed = function.parse(arguments, name)
        with explained(name):
            try:
                return to_json(await read(await function.invoke(ctx, parsed, self._caller)))
            except (SystemExit, KeyboardInterrupt) as error:  # they would end the server
                raise explain(name, error) from error

    def tally(self, name: str, amount: int) -> None:
        """Add to a counter of ``/metrics``."""
        self._actions.counters[name] += amount
