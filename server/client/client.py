"""A client of a Headwater server: live queries, and calls.

    async with Client("http://127.0.0.1:8000") as client:
        task = await client.mutation("tasks.create", {"title": "Read the reports"})
        async for messages in client.subscribe("messages.byTask", {"taskId": task["_id"]}):
            ...

Values are shared between one change and the next, what did not change being the same object: do
not modify them.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple, Self
from uuid import uuid4

import httpx2

from server.client import limits
from server.client.calls import Calls
from server.client.connection import Connection, Headers
from server.client.errors import HeadwaterError, NotReached
from server.client.following import Following, OnInterruption, Query
from server.client.functions import FunctionDescription, described

__all__ = ["Change", "Client", "View"]

DEFAULT_URL = "http://127.0.0.1:8000"
_ONLY = "only"
"""The name of a subscription's one query."""


class Change(NamedTuple):
    """What became of a query since its reader was last told.

    Attributes:
        value: Its value now.
        patch: The operations that lead from the value that the reader was told last; None where
            there are none: it is the first, the server could not continue, or the reader was far
            behind.
        position: Where the value is true; opaque.
    """

    value: Any
    patch: list[dict[str, Any]] | None
    position: str


class View(NamedTuple):
    """Several queries together, as of one position.

    Attributes:
        values: By name; absent before a query's first value, and while it fails.
        errors: By name: why a query has no value just now.
        patches: For each query that changed since the reader was last told, the operations that
            lead to its value; None where there are none.
        position: Where the values are true; opaque.
    """

    values: dict[str, Any]
    errors: dict[str, HeadwaterError]
    patches: dict[str, list[dict[str, Any]] | None]
    position: str


class Client:
    """One client of one server; close it, or use it as a context.

    Each subscription is a stream of its own, because its query set is then fixed and needs no
    handing over from one stream to the next; `follow` has several queries on one. A stream that
    is opened after a mutation, or after an action has responded, begins with what it wrote.

    Args:
        url: Where the server is.
        headers: For every request, or a function, async or not, that gives them each time.
        cookies: The same.
        bearer: Sent as ``Authorization: Bearer …``.
        client_id: The client's name for itself. The server lets its streams pass its mutations'
            positions soon, also where none of their queries changed.
        http: An HTTP client of one's own, for other certificates or a proxy; it is not closed.

    Raises:
        ValueError: `url` is no address.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        headers: Headers | None = None,
        cookies: Mapping[str, str] | None = None,
        bearer: str | None = None,
        client_id: str | None = None,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        if bearer is not None:
            if headers is not None:
                raise ValueError("Give the bearer among the headers where there are others.")
            headers = {"Authorization": f"Bearer {bearer}"}
        self._client_id = client_id or uuid4().hex
        self._connection = Connection(url, headers, cookies, http)
        self._calls = Calls(self._connection, self._client_id)
        self._streams: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Client of {self._connection.shown_url}>"

    @property
    def client_id(self) -> str:
        """The client's name for itself."""
        return self._client_id

    @property
    def url(self) -> str:
        """The server's address, without what may be secret in it."""
        return self._connection.shown_url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every subscription and close every connection."""
        streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        await self._connection.aclose()

    async def query(self, function: str, args: Mapping[str, Any] | None = None) -> Any:
        """A query's value, once.

        Raises:
            HeadwaterError: The server refused, or could not be reached.
        """
        return await self._calls.call("query", function, args, "", wait=False)

    async def mutation(
        self,
        function: str,
        args: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Any:
        """Change something, once, however often the network fails on the way.

        Args:
            function: ``module.function``.
            args: By name.
            idempotency_key: Equal keys are applied once, whoever calls; absent: a new one.

        Raises:
            HeadwaterError: The server refused, or could not be reached; with the code ``network``
                it is not known whether the mutation was applied.
        """
        key = idempotency_key or uuid4().hex
        return await self._calls.call("mutation", function, args, key, wait=False)

    async def action(
        self,
        function: str,
        args: Mapping[str, Any] | None = None,
        *,
        wait: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        """Start an action, and give what it responds.

        Args:
            function: ``module.function``.
            args: By name.
            wait: Give what it returns when it ends instead.
            idempotency_key: Equal keys are started once, whoever calls; absent: a new one.

        Raises:
            HeadwaterError: As of `mutation`.
        """
        key = idempotency_key or uuid4().hex
        return await self._calls.call("action", function, args, key, wait=wait)

    async def functions(self) -> list[FunctionDescription]:
        """What the server's functions are called, and what they take. Asked for once, not again.

        Raises:
            HeadwaterError: The server cannot be reached, or it is no Headwater server.
        """
        return described(await self.open_api())

    async def open_api(self) -> Any:
        """The server's OpenAPI document, with the schemas of arguments and results.

        Raises:
            HeadwaterError: The server cannot be reached, or does not answer with JSON.
        """
        try:
            async with asyncio.timeout(limits.CALL_SECONDS_MAX):
                return await self._connection.answer("GET", "/openapi.json")
        except TimeoutError:
            raise NotReached(f"The server at {self.url} does not say what it has.") from None

    async def subscribe(
        self,
        function: str,
        args: Mapping[str, Any] | None = None,
        *,
        patience_seconds: float | None = 60.0,
        on_interruption: OnInterruption | None = None,
    ) -> AsyncGenerator[Any]:
        """A query's value now, and whenever it changes.

        A reader who is slow gets the latest value, and not those between. What is cut off is
        opened again and continued. It ends when the client is closed; leave the loop, or close
        it with `contextlib.aclosing`, to end it before.

        Args:
            function: ``module.function``.
            args: By name.
            patience_seconds: For how long there may be no connection, or only passing errors,
                before the last failure is raised; None: for ever.
            on_interruption: Called with the reason for each such failure, and with None when it
                has passed.

        Raises:
            HeadwaterError: The server refused, the query fails, or nothing came for too long.
        """
        changes = self.changes(
            function, args, patience_seconds=patience_seconds, on_interruption=on_interruption
        )
        async with aclosing(changes):
            async for change in changes:
                yield change.value

    async def changes(
        self,
        function: str,
        args: Mapping[str, Any] | None = None,
        *,
        patience_seconds: float | None = 60.0,
        on_interruption: OnInterruption | None = None,
    ) -> AsyncGenerator[Change]:
        """The same as `subscribe`, with the patches that led to each value.

        Raises:
            HeadwaterError: As of `subscribe`.
        """
        patience = float("inf") if patience_seconds is None else patience_seconds
        views = self.follow(
            {_ONLY: (function, args or {})},
            patience_seconds=patience_seconds,
            on_interruption=on_interruption,
        )
        failing_since: float | None = None
        async with aclosing(views):
            async for view in views:
                error = view.errors.get(_ONLY)
                if error is None:
                    if failing_since is not None and on_interruption is not None:
                        on_interruption(None)
                    failing_since = None
                    yield Change(view.values[_ONLY], view.patches[_ONLY], view.position)
                    continue
                failing_since = failing_since or time.monotonic()
                if error.retry == "never" or time.monotonic() - failing_since >= patience:
                    raise error
                if on_interruption is not None:
                    on_interruption(error)

    async def follow(
        self,
        queries: Mapping[str, Query],
        *,
        strict: bool = False,
        patience_seconds: float | None = 60.0,
        on_interruption: OnInterruption | None = None,
    ) -> AsyncGenerator[View]:
        """Several queries on one stream, told together.

        They move from one position to a later one at once, so that what one transaction wrote is
        in all of them or in none. A query that fails has its error in the view and leaves the
        others alone.

        Args:
            queries: Function and arguments by a name for each, such as
                ``{"open": ("tasks.list", {"status": "open"})}``; 100 at most.
            strict: Hold all back while one is being run again, and not for a moment only.
            patience_seconds: As of `subscribe`.
            on_interruption: As of `subscribe`.

        Raises:
            HeadwaterError: The server refused the stream, or nothing came for too long.
        """
        following = Following(
            self._connection,
            self.client_id,
            lambda: self._calls.wrote,
            queries,
            strict=strict,
            patience_seconds=patience_seconds,
            on_interruption=on_interruption,
        )
        updates = following.updates(self._started)
        async with aclosing(updates):
            async for patches in updates:
                known = {name: following.results.get(name) for name in queries}
                yield View(
                    {name: one.value for name, one in known.items() if one and not one.error},
                    {name: one.error for name, one in known.items() if one and one.error},
                    patches,
                    following.results.position or "",
                )

    def _started(self, stream: asyncio.Task[None]) -> None:
        self._streams.add(stream)
        stream.add_done_callback(self._streams.discard)
