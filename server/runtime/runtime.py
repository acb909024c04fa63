"""Calls of queries and mutations."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from schemas.wire.position import Time
from server.core import limits
from server.core.errors import QueryTimeout, Unavailable
from server.live.held import encode
from server.live.live_query import RunQuery, shown
from server.live.projection import to_json
from server.live.run import run_query
from server.runtime.answer import Answer
from server.runtime.caller import Caller
from server.runtime.catalog import Catalog
from server.runtime.explain import explain, explained
from server.runtime.functions import Function
from server.runtime.idempotency import KeyedCall, leave_trace
from server.runtime.latest import Otherwise
from server.runtime.latest_writes import LatestWrites
from server.runtime.query_context import QueryCtx
from server.runtime.scheduler import Scheduling
from server.runtime.shared_key import SharedKey
from server.runtime.shown_arguments import shown_arguments
from server.runtime.transactions import transaction, write, write_alone
from server.store.reads import Reads, SnapshotGone
from server.store.writes import Session, Writes

__all__ = ["Runtime"]


class Runtime:
    """Calls queries and mutations of a catalog on a database."""

    def __init__(
        self, catalog: Catalog, scheduling: Scheduling, reads: Reads, writes: Writes
    ) -> None:
        self.catalog = catalog
        self._scheduling = scheduling
        self._reads = reads
        self._writes = writes
        self._latest = LatestWrites(writes)

    async def stop(self) -> None:
        """Wait for what waits to be written, bounded."""
        await self._latest.stop()

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
        function = self.catalog.get(key.function)
        digest = hashlib.sha256(key.caller.encode()).hexdigest()[:8] if key.caller else None
        if function is None:  # one that an action follows, of a module that clients do not see
            return f"({len(key.arguments)} bytes)", digest
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
                value, time = await transaction(self._writes, name, body)
            else:
                async with self._writes.single() as session:
                    parsed = function.parse(arguments, name)
                    written, time = await write_alone(
                        function,
                        name,
                        session,
                        parsed,
                        caller,
                        self._scheduling,
                        _Alone(name, caller, self._scheduling, self._writes, self._latest),
                    )
                    value = encode(to_json(written))
            self._scheduling.committed()
            return Answer(value, await self._known(time))

    async def apply(
        self,
        name: str,
        function: Function[..., Any],
        arguments: Mapping[str, Any],
        caller: Caller,
        finish: Callable[[Session], Awaitable[None]],
    ) -> None:
        """Apply a mutation, be it internal or not, as one transaction of which `finish` is the end.

        Args:
            name: Its wire name.
            function: The mutation.
            arguments: By wire name.
            caller: Who it is for.
            finish: Where it raises, nothing was applied.
        """

        async def body(session: Session) -> None:
            parsed = function.parse(arguments, name)
            await self._write(function, name, session, parsed, caller)
            await finish(session)

        with explained(name):
            await transaction(self._writes, name, body)

    async def _write(
        self,
        function: Function[..., Any],
        name: str,
        session: Session,
        parsed: Mapping[str, Any],
        caller: Caller,
    ) -> Any:
        return await write(function, name, session, parsed, caller, self._scheduling)

    async def _known(self, time: Time) -> Time:
        """`time`, or where nothing was read or written the present."""
        return time if time > Time(0, 0) else await self._reads.now()


class _Alone:
    """What a mutation can do that is no transaction itself."""

    def __init__(
        self,
        name: str,
        caller: Caller,
        scheduling: Scheduling,
        writes: Writes,
        latest: LatestWrites,
    ) -> None:
        self._name = name
        self._caller = caller
        self._scheduling = scheduling
        self._writes = writes
        self._latest = latest

    async def run_mutation(
        self, function: Function[..., Awaitable[Any]], arguments: Mapping[str, Any]
    ) -> tuple[Any, Time]:
        """Run a mutation as a transaction of its own."""

        async def body(session: Session) -> Any:
            return await write(
                function, self._name, session, arguments, self._caller, self._scheduling
            )

        return await transaction(self._writes, self._name, body)

    async def set_latest(
        self,
        collection: str,
        query: Mapping[str, Any],
        fields: Mapping[str, Any],
        now: Iterable[str],
        together: str,
        otherwise: Otherwise,
    ) -> Time:
        """Write values, or newer ones in their place, together with what others write."""
        return await self._latest.write(collection, query, fields, now, together, otherwise)


def _canonical(parsed: Mapping[str, Any], arguments: Mapping[str, Any]) -> bytes:
    """Arguments as bytes, the same for the same: by what they mean, defaults included."""
    try:
        return encode(to_json(parsed))
    except TypeError:  # a type of the application's own
        return encode(arguments)
