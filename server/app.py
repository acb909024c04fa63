"""Builds a server of its parts, and owns what runs in it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType
from typing import Any, cast

from pymongo.asynchronous.database import AsyncDatabase
from starlette.types import ASGIApp, Receive, Scope, Send

from server.core import limits
from server.core.tasks import supervised
from server.feed.change_stream import ChangeStream
from server.feed.feed import Feed, Stream
from server.feed.memory_stream import MemoryStream
from server.live.registry import Registry
from server.live.ticker import Ticker
from server.llm import Claude, ClaudeLimits, load_sdk
from server.llm.standin import StandinServer
from server.runtime import Actions, Catalog, Runtime
from server.runtime.call_runner import CallRunner
from server.runtime.every_runner import EveryRunner
from server.runtime.explain import explain
from server.runtime.scheduler import Scheduling
from server.settings import MEMORY_URI, Settings
from server.store.collections import CALLS, META, database_id, ensure
from server.store.connection import connect_client, database_name
from server.store.deployment import check_deployment
from server.store.embedded import EmbeddedMongo
from server.store.memory import open_memory
from server.store.reads import Reads
from server.store.scheduled_calls import ScheduledCalls
from server.store.schedules import Schedules
from server.store.ticks import Ticks
from server.store.writes import Writes
from server.sync.hub import Hub
from server.web.auth import Authenticate
from server.web.routes import create_web
from server.web.services import Services
from server.web.sync import STRAIGHT_SEND

__all__ = ["Headwater", "create_app"]

_log = logging.getLogger("headwater")

Database = AsyncDatabase[dict[str, Any]]

MEMORY_LIMITS = (
    "The database is in memory, for quick unit tests: mutations run without a transaction, nothing "
    "is kept or expires, no Claude streams, and what runs by itself does not (%s). Unset "
    "HEADWATER_MONGODB_URI to use the embedded MongoDB."
)

FEED_SOCKET_TIMEOUT_MS = int(limits.FEED_PATIENCE_SECONDS_MAX * 1000)
"""The feed minds a silent MongoDB itself, and sooner."""


def create_app(
    settings: Settings | None = None,
    functions: Iterable[ModuleType | str] | None = None,
    authenticate: Authenticate | None = None,
    claude_limits: ClaudeLimits | None = None,
) -> "Headwater":
    """A Headwater application.

    Args:
        settings: What is not given is read from the environment.
        functions: Modules of queries, mutations and actions, instead of the built-in ones;
            ``[*server.functions.ALL, mine]`` keeps those, and a file that is a whole app names
            itself by ``[__name__]``.
        authenticate: Turns a request into its `Caller`; without it everybody is anonymous.
        claude_limits: How long Claude is waited for, and how often it is asked again.
    """
    from server.functions import ALL, WITH_SAMPLES  # not before the parts that they are made with

    catalog = Catalog(
        WITH_SAMPLES if functions is None else functions, built_in=Catalog(ALL).public_names
    )
    return Headwater(settings or Settings(), catalog, authenticate, claude_limits)


class Headwater:
    """An ASGI application. A host that mounts it enters `lifespan` itself.

    Attributes:
        settings: What it was made with.
        catalog: Its functions.
        mongodb_uri: Where its database is, while it runs. May hold a password.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        authenticate: Authenticate | None,
        claude_limits: ClaudeLimits | None = None,
    ) -> None:
        self.settings = settings
        self.catalog = catalog
        self.mongodb_uri = ""
        self._authenticate = authenticate
        self._claude_limits = claude_limits
        self._services: Services | None = None
        self._web = create_web(settings.allowed_origins)
        self._web.router.lifespan_context = self._starlette_lifespan
        self._asgi: ASGIApp = self._web

    @property
    def authenticates(self) -> bool:
        """Whether it knows its callers."""
        return self._authenticate is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        scope[STRAIGHT_SEND] = send
        await self._asgi(scope, receive, send)

    @asynccontextmanager
    async def _starlette_lifespan(self, _: Any) -> AsyncGenerator[None]:
        async with self.lifespan():
            yield

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator["Headwater"]:
        """Start everything, and end it in the right order.

        Raises:
            StartupError: It cannot start; the message is one sentence with the cure.
        """
        async with AsyncExitStack() as stack:
            if self.settings.in_memory:
                self.mongodb_uri, claude = MEMORY_URI, None
                database, stream = self._memory()
            else:
                self.mongodb_uri, _ = await asyncio.gather(self._database_uri(stack), load_sdk())
                claude = await self._claude(stack)
                database, stream = await self._mongodb(stack)
            self._services = await self._build(stack, database, stream, claude)
            self._web.state.services = self._services
            try:
                yield self
            finally:
                await self.stop_serving()
                del self._web.state.services

    async def stop_serving(self) -> None:
        """End every stream, and let actions at work write their last words. May be repeated."""
        if self._services is not None:
            self._services.hub.end_all()
            await asyncio.gather(self._services.actions.stop(), self._services.call_runner.stop())

    async def _database_uri(self, stack: AsyncExitStack) -> str:
        """The URI that was set, or that of an embedded MongoDB just started."""
        if self.settings.mongodb_uri is not None:
            return self.settings.mongodb_uri
        embedded = EmbeddedMongo(self.settings.data_dir, self.settings.mongod)
        uri = await embedded.start()
        stack.push_async_callback(embedded.stop)
        return uri

    async def _claude(self, stack: AsyncExitStack) -> Claude:
        settings = self.settings
        key, base_url = settings.anthropic_api_key, settings.anthropic_base_url
        if settings.uses_standin:
            standin = StandinServer()
            key, base_url = "stand-in", await standin.start()
            stack.push_async_callback(standin.stop)
        claude = Claude(key, base_url, limits=self._claude_limits)
        stack.push_async_callback(claude.close)
        return claude

    async def _mongodb(self, stack: AsyncExitStack) -> tuple[Database, Stream]:
        """The database, and the stream of its changes, which has connections of its own."""
        uri, name = self.mongodb_uri, database_name(self.mongodb_uri)
        feed_client = await connect_client(
            uri, app_name="headwater feed", socket_timeout_ms=FEED_SOCKET_TIMEOUT_MS
        )
        stack.push_async_callback(feed_client.close)
        await check_deployment(feed_client, name)
        client = await connect_client(uri, driver=self.settings.driver)
        stack.push_async_callback(client.close)
        return client[name], ChangeStream(feed_client[name], self._followed)

    def _memory(self) -> tuple[Database, Stream]:
        """A database in memory, and the stream of its changes."""
        database = open_memory(database_name(MEMORY_URI))
        idle = ", ".join(self.catalog.everies) or "none here"
        _log.warning(MEMORY_LIMITS, idle)
        return cast("Database", database), MemoryStream(database, self._followed)

    @property
    def _followed(self) -> list[str]:
        """The collections whose changes the feed looks at."""
        return [*(table.collection for table in self.catalog.tables), CALLS, META]

    async def _build(
        self, stack: AsyncExitStack, database: Database, stream: Stream, claude: Claude | None
    ) -> Services:
        await ensure(database, self.catalog.tables)
        build = self.catalog.build(await database_id(database))
        feed = Feed(stream)
        await feed.open()
        reads = Reads(database)
        registry = Registry(feed, reads, self.catalog.tables, explain)
        hub = Hub()
        registry.on_step = hub.saw
        registry.on_advanced = hub.advanced
        ticks = Ticks(database)
        await ticks.prepare()
        ticker = Ticker(registry, ticks)
        writes = Writes(database)
        scheduling = Scheduling(self.catalog, in_memory=self.settings.in_memory)
        runtime = Runtime(self.catalog, scheduling, reads, writes)
        stack.push_async_callback(runtime.stop)
        actions = Actions(self.catalog, scheduling, registry, reads, writes, claude)
        await stack.enter_async_context(supervised("feed", lambda: feed.run(registry)))
        await stack.enter_async_context(supervised("rounds", registry.rounds.run))
        await stack.enter_async_context(supervised("ticks", ticker.run))
        await stack.enter_async_context(supervised("heartbeats", hub.beat))
        schedules = Schedules(database)
        everies = [
            EveryRunner(name, one, schedules, actions.context)
            for name, one in self.catalog.everies.items()
        ]
        calls = ScheduledCalls(
            database, self.catalog.names("mutation"), self.catalog.names("action")
        )
        call_runner = CallRunner(calls, scheduling, runtime, actions)
        if not self.settings.in_memory:  # where there are no leases
            for one in everies:
                await stack.enter_async_context(supervised(one.name, one.run))
            await stack.enter_async_context(supervised("scheduled calls", call_runner.run))
        return Services(
            settings=self.settings,
            build=build,
            authenticate=self._authenticate,
            runtime=runtime,
            actions=actions,
            everies=everies,
            call_runner=call_runner,
            schedules=schedules,
            calls=calls,
            registry=registry,
            ticker=ticker,
            hub=hub,
            feed=feed,
            reads=reads,
            standin=self.settings.uses_standin,
        )
