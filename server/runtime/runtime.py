"""Calls of functions: one-shot queries, mutations and actions."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from pymongo.errors import DuplicateKeyError, PyMongoError

from schemas.wire.position import Time
from server.core import limits
from server.core.errors import HeadwaterError, KeyInUse, QueryTimeout, TooMany, Unavailable
from server.live.find import Find, Get, Page, model_of, read_page
from server.live.held import encode
from server.live.live_query import RunQuery, shown
from server.live.projection import to_json
from server.live.run import run_query
from server.llm import Claude
from server.runtime.action_context import ActionCtx
from server.runtime.caller import Caller
from server.runtime.catalog import Catalog
from server.runtime.explain import explain, explained
from server.runtime.functions import Function
from server.runtime.idempotency import KeyedCall, leave_trace
from server.runtime.query_context import QueryCtx
from server.runtime.shared_session import SharedSession
from server.runtime.shown_arguments import shown_arguments
from server.runtime.write_context import MutationCtx
from server.store.reads import Reads, SnapshotGone
from server.store.writes import Session, Writes

__all__ = ["Answer", "Runtime", "SharedKey"]

T = TypeVar("T")

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


class SharedKey(NamedTuple):
    """What live queries have in common that share one result.

    Attributes:
        function: Its wire name.
        arguments: As JSON, the same for the same.
        caller: What tells callers apart; empty where the query cannot see its caller.
    """

    function: str
    arguments: bytes
    caller: str


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
    ) -> tuple[SharedKey, RunQuery]:
        """The key under which a query is shared, and what runs it.

        Raises:
            HeadwaterError: There is no such query, or the arguments do not fit.
        """
        function = self.catalog.find(name, "query")
        canonical = _canonical(function.parse(arguments, name), arguments)
        key = SharedKey(name, canonical, caller.key if function.wants_caller else "")

        async def run(reader: Any) -> Any:
            parsed = function.parse(arguments, name)  # for each run its own: it may change them
            return await function.invoke(QueryCtx(reader), parsed, caller)

        return key, run

    def shown(self, key: SharedKey) -> tuple[str, str | None]:
        """The arguments under `key` as an operator may see them, and a digest of the caller."""
        function = self.catalog.find(key.function, "query")
        digest = hashlib.sha256(key.caller.encode()).hexdigest()[:8] if key.caller else None
        return shown_arguments(function, key.arguments), digest

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
                raise QueryTimeout(
                    f"{name} took longer than {limits.RUN_SECONDS_MAX:g} s; narrow what it reads, "
                    "or give its filter an index."
                ) from None
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
        function.parse(arguments, name)
        keyed = KeyedCall(key, name, arguments, caller) if key is not None else None

        async def body(session: Session) -> bytes:
            if keyed is not None and (kept := await keyed.answer(session)) is not None:
                if client is not None:
                    await leave_trace(session, name, client)
                return kept
            # For each attempt arguments of its own: the function may change them.
            parsed = function.parse(arguments, name)
            value = encode(to_json(await self._write(function, name, session, parsed, caller)))
            if keyed is not None:
                await keyed.keep(session, value, client)
            elif client is not None:
                await leave_trace(session, name, client)
            return value

        with explained(name):
            if function.transaction or keyed is not None:
                value, time = await self._transaction(name, body)
            else:
                async with self._writes.single() as session:
                    parsed = function.parse(arguments, name)
                    written = await self._write(
                        function, name, session, parsed, caller, transaction=False
                    )
                    value, time = encode(to_json(written)), session.time
            return Answer(value, await self._known(time))

    async def _transaction(
        self, name: str, body: Callable[[Session], Awaitable[T]]
    ) -> tuple[T, Time]:
        try:
            return await self._writes.transaction(body)
        except PyMongoError as error:
            if not error.timeout:
                raise
            raise Unavailable(
                f"{name} took longer than {limits.TRANSACTION_SECONDS_MAX:g} s; try again."
            ) from error

    async def _write(
        self,
        function: Function[..., Any],
        name: str,
        session: Session,
        parsed: Mapping[str, Any],
        caller: Caller,
        *,
        transaction: bool = True,
    ) -> Any:
        """What a mutation gave, which reads and writes in `session`."""
        shared = SharedSession(name, session, transaction=transaction)
        value = await _read(await function.invoke(MutationCtx(shared.open), parsed, caller))
        if shared.failure is not None:  # the function caught it, but its transaction is over
            raise shared.failure
        return value

    async def _known(self, time: Time) -> Time:
        """`time`, or where nothing was read or written the present."""
        return time if time > Time(0, 0) else await self._reads.now()

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
        @asynccontextmanager
        async def open_session() -> AsyncGenerator[Session]:
            with explained(name):
                async with self._writes.single() as session:
                    yield session

        async def run_mutation(
            mutation: Function[..., Awaitable[Any]], arguments: Mapping[str, Any]
        ) -> tuple[Any, Time]:
            async def body(session: Session) -> Any:
                return await self._write(mutation, name, session, arguments, caller)

            with explained(name):
                return await self._transaction(name, body)

        async def respond(value: Any) -> None:
            encoded = encode(to_json(value))
            time = await self._known(ctx.time)
            if keyed is not None:
                async with open_session() as session:
                    await keyed.finish(session, encoded)
            if not wait:
                _resolve(answer, Answer(encoded, time))

        ctx = ActionCtx(open_session, self._claude, run_mutation, respond)
        try:
            async with asyncio.timeout(limits.ACTION_SECONDS_MAX):
                value = await _read(await function.invoke(ctx, parsed, caller))
            if not ctx.responded:
                await respond(value)
            if not answer.done():
                _resolve(answer, Answer(encode(to_json(value)), await self._known(ctx.time)))
        except asyncio.CancelledError:
            _fail(answer, Unavailable("The server is stopping; ask again in a moment."))
            if keyed is not None and not ctx.responded:
                await self._forget(keyed)
            raise
        except Exception as error:  # noqa: BLE001  # whatever an action raises is its answer
            known = explain(name, error)
            if keyed is not None and not ctx.responded:
                await self._forget(keyed)
            if known is error and answer.done():  # nobody else will tell
                _log.warning("%s failed after its answer: %s", name, known.message)
            _fail(answer, known)

    async def _claim(self, keyed: KeyedCall, name: str) -> Answer | None:
        """Claim the key, or give the answer that is kept under it."""
        with explained(name):
            async with self._writes.single() as session:
                if (kept := await keyed.answer(session)) is not None:
                    return Answer(kept, session.time)
                try:
                    await keyed.begin(session)
                except DuplicateKeyError:
                    raise KeyInUse(
                        f"{name} is at work under this Idempotency-Key; ask again."
                    ) from None
        return None

    async def _forget(self, keyed: KeyedCall) -> None:
        try:
            async with self._writes.single() as session:
                await keyed.forget(session)
        except Exception as error:  # noqa: BLE001  # the claim expires by itself
            _log.warning("An idempotency key was not let go (%s).", type(error).__name__)

    async def stop(self) -> None:
        """Cancel the actions at work and wait, bounded, while they write their last words.

        A cancellation can be swallowed (see `raise_if_cancelled`), so whoever is still at work
        after half of the time is told once more.
        """
        self._stopping = True
        for _ in range(2):
            actions = list(self._actions)
            for task in actions:
                task.cancel()
            if actions:
                await asyncio.wait(actions, timeout=limits.SHUTDOWN_SECONDS / 2)


def _canonical(parsed: Mapping[str, Any], arguments: Mapping[str, Any]) -> bytes:
    """Arguments as bytes, the same for the same: by what they mean, defaults included."""
    try:
        return encode(to_json(parsed))
    except TypeError:  # a type of the application's own
        return encode(arguments)


async def _read(value: Any) -> Any:
    """What a function returned; a find is read where there is nobody to maintain it for."""
    if isinstance(value, Page):
        page = cast("Page[Any]", value)
        documents, end = await read_page(page.spec, page.read)
        models: list[Any] = [model_of(page.spec, document) for document in documents]
        show = page.spec.view
        return {"page": models if show is None else [show(one) for one in models], **end}
    if not isinstance(value, Find | Get):
        return value
    found = await cast("Find[Any] | Get[Any]", value)
    view = cast("Find[Any]", value).spec.view
    return [view(one) for one in found] if view is not None and found is not None else found


def _resolve(answer: "asyncio.Future[Answer]", value: Answer) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: "asyncio.Future[Answer]", error: HeadwaterError) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # seen, even where the caller has gone
