"""Calls of functions: one-shot queries, mutations and actions."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pymongo.errors import DuplicateKeyError

from schemas.wire.position import Time
from server.core import limits
from server.core.errors import HeadwaterError, KeyInUse, TooMany, Unavailable
from server.live.held import encode
from server.live.live_query import RunQuery, shown
from server.live.projection import to_json
from server.live.run import run_query
from server.llm import Claude
from server.runtime.action_context import ActionCtx
from server.runtime.caller import ANONYMOUS, Caller
from server.runtime.catalog import Catalog
from server.runtime.explain import explain
from server.runtime.functions import Function
from server.runtime.idempotency import KeyedCall, leave_trace
from server.runtime.query_context import QueryCtx
from server.runtime.write_context import MutationCtx
from server.store.reads import Reads, SnapshotGone
from server.store.writes import Session, Writes

__all__ = ["Answer", "Runtime"]

_log = logging.getLogger("headwater")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave.

    Attributes:
        value: As JSON.
        time: The cluster time at which, or of the writes by which, it came about.
    """

    value: bytes
    time: Time


class Runtime:
    """Calls functions of a catalog on a database."""

    def __init__(self, catalog: Catalog, reads: Reads, writes: Writes, claude: Claude) -> None:
        self.catalog = catalog
        self._reads = reads
        self._writes = writes
        self._claude = claude
        self._actions: set[asyncio.Task[None]] = set()
        self._stopping = False

    # --- queries -------------------------------------------------------------------------------

    def prepare_query(
        self, name: str, arguments: Mapping[str, Any], caller: Caller
    ) -> tuple[tuple[str, bytes, str], RunQuery]:
        """The key under which a query is shared, and what runs it.

        Raises:
            HeadwaterError: There is no such query, or the arguments do not fit.
        """
        function = self.catalog.find(name, "query")
        parsed = function.parse(arguments, name)
        canonical = encode(to_json(parsed))
        key = (name, canonical, caller.key if function.wants_caller else "")

        async def run(reader: Any) -> Any:
            return await function.invoke(QueryCtx(reader), parsed, caller)

        return key, run

    async def query(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Answer:
        """Run a query once, majority-current."""
        _, run = self.prepare_query(name, arguments, caller)
        for _ in range(limits.RUN_ATTEMPTS_MAX):
            try:
                async with asyncio.timeout(limits.RUN_SECONDS_MAX):
                    at = await self._reads.now()
                    outcome = await run_query(run, self._reads, at, lambda e: explain(name, e))
            except SnapshotGone:
                continue
            except TimeoutError:
                raise Unavailable(f"{name} took too long; try again.") from None
            except Exception as error:
                raise explain(name, error) from error
            if outcome.error is not None:
                raise outcome.error
            return Answer(encode(shown(outcome.value, outcome.windows)), at)
        raise Unavailable(f"{name} could not be read in time; try again.")

    # --- mutations -----------------------------------------------------------------------------

    async def mutation(
        self,
        name: str,
        arguments: Mapping[str, Any],
        caller: Caller,
        *,
        key: str | None = None,
        client: str | None = None,
    ) -> Answer:
        """Run a mutation; when it returns, the majority has it.

        Args:
            name: Its wire name.
            arguments: By wire name.
            caller: Who asks.
            key: The call's idempotency key.
            client: The client's name for itself, to be found again in the feed.
        """
        function = self.catalog.find(name, "mutation")
        parsed = function.parse(arguments, name)
        keyed = KeyedCall(key, name, arguments, caller) if key is not None else None

        async def body(session: Session) -> bytes:
            if keyed is not None and (kept := await keyed.answer(session)) is not None:
                return kept
            value = encode(to_json(await self._invoke(function, session, parsed, caller)))
            if keyed is not None:
                await keyed.keep(session, value, client)
            elif client is not None:
                await leave_trace(session, name, client)
            return value

        try:
            if function.transaction or keyed is not None:
                return Answer(*await self._writes.transaction(body))
            async with self._writes.single() as session:
                value = encode(to_json(await self._invoke(function, session, parsed, caller)))
                return Answer(value, session.time)
        except Exception as error:
            raise explain(name, error) from error

    async def _invoke(
        self,
        function: Function[..., Any],
        session: Session,
        parsed: Mapping[str, Any],
        caller: Caller,
    ) -> Any:
        @asynccontextmanager
        async def same_session() -> AsyncGenerator[Session]:
            yield session

        return await function.invoke(MutationCtx(same_session), parsed, caller)

    async def _run_mutation(
        self, function: Function[..., Awaitable[Any]], arguments: Mapping[str, Any]
    ) -> tuple[Any, Time]:
        """A mutation that an action runs: Python arguments, a Python value."""
        return await self._writes.transaction(
            lambda session: self._invoke(function, session, arguments, ANONYMOUS)
        )

    # --- actions -------------------------------------------------------------------------------

    async def action(
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
        if self._stopping:
            raise Unavailable("The server is stopping; ask again in a moment.")
        if len(self._actions) >= limits.ACTIONS_MAX:
            raise TooMany("This server has as many actions at work as it may; ask again later.")
        keyed = KeyedCall(key, name, arguments, caller) if key is not None else None
        if keyed is not None and (kept := await self._claim(keyed, name)) is not None:
            return kept
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        work = self._work(function, name, parsed, caller, keyed, answer, wait=wait)
        task = asyncio.create_task(work, name=f"action {name}")
        self._actions.add(task)
        task.add_done_callback(self._actions.discard)
        return await asyncio.shield(answer)

    async def _work(
        self,
        function: Function[..., Any],
        name: str,
        parsed: Mapping[str, Any],
        caller: Caller,
        keyed: KeyedCall | None,
        answer: "asyncio.Future[Answer]",
        *,
        wait: bool,
    ) -> None:
        async def respond(value: Any) -> None:
            encoded = encode(to_json(value))
            if keyed is not None:
                async with self._writes.single() as session:
                    await keyed.finish(session, encoded)
            if not wait:
                _resolve(answer, Answer(encoded, ctx.time))

        ctx = ActionCtx(self._writes.single, self._claude, self._run_mutation, respond)
        try:
            async with asyncio.timeout(limits.ACTION_SECONDS_MAX):
                value = await function.invoke(ctx, parsed, caller)
            if not ctx.responded:
                await respond(value)
            if not answer.done():
                at = ctx.time if ctx.time > Time(0, 0) else await self._reads.now()
                _resolve(answer, Answer(encode(to_json(value)), at))
        except asyncio.CancelledError:
            _fail(answer, Unavailable("The server is stopping; ask again in a moment."))
            raise
        except Exception as error:  # noqa: BLE001  # whatever an action raises is its answer
            explained = explain(name, error)
            if keyed is not None and not ctx.responded:
                await self._forget(keyed)
            _fail(answer, explained)

    async def _claim(self, keyed: KeyedCall, name: str) -> Answer | None:
        """Claim the key, or give the answer that is kept under it."""
        try:
            async with self._writes.single() as session:
                if (kept := await keyed.answer(session)) is not None:
                    return Answer(kept, session.time)
                await keyed.begin(session)
        except DuplicateKeyError:
            raise KeyInUse(f"{name} is at work under this Idempotency-Key; ask again.") from None
        except Exception as error:
            raise explain(name, error) from error
        return None

    async def _forget(self, keyed: KeyedCall) -> None:
        try:
            async with self._writes.single() as session:
                await keyed.forget(session)
        except Exception as error:  # noqa: BLE001  # the claim expires by itself
            _log.warning("An idempotency key was not let go (%s).", type(error).__name__)

    async def stop(self) -> None:
        """Cancel the actions at work and wait, bounded, while they write their last words."""
        self._stopping = True
        actions = list(self._actions)
        for task in actions:
            task.cancel()
        if actions:
            await asyncio.wait(actions, timeout=limits.SHUTDOWN_SECONDS)


def _resolve(answer: "asyncio.Future[Answer]", value: Answer) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: "asyncio.Future[Answer]", error: HeadwaterError) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # seen, even where the caller has gone
