"""The same client for scripts, which wait for each answer.

    with Client("http://127.0.0.1:8000") as client:
        task = client.mutation("tasks.create", {"title": "Read the reports"})
        for messages in client.subscribe("messages.byTask", {"taskId": task["_id"]}):
            ...

It works on a loop in a thread of its own, so it can also be used where another loop runs, and by
several threads at once; while one waits for a value, Ctrl-C ends the waiting.
"""

from collections.abc import Generator, Mapping
from typing import Any, Self

import httpx2

from server.client import client as asynchronous
from server.client.client import DEFAULT_URL, Change, View
from server.client.connection import Headers
from server.client.following import OnInterruption, Query
from server.client.functions import FunctionDescription
from server.client.loop_thread import LoopThread

__all__ = ["Client"]


class Client:
    """One client of one server; close it, or use it as a context.

    Arguments and errors are those of `server.client.Client`. Functions that are passed, such as
    `headers` and `on_interruption`, are called in the client's own thread.
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
        self._client = asynchronous.Client(
            url,
            headers=headers,
            cookies=cookies,
            bearer=bearer,
            client_id=client_id,
            http=http,
        )
        self._thread = LoopThread()

    def __repr__(self) -> str:
        return repr(self._client)

    @property
    def client_id(self) -> str:
        """The client's name for itself."""
        return self._client.client_id

    @property
    def url(self) -> str:
        """The server's address, without what may be secret in it."""
        return self._client.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every subscription and close every connection."""
        self._thread.close(self._client.aclose())

    def query(self, function: str, args: Mapping[str, Any] | None = None) -> Any:
        """A query's value, once."""
        return self._thread.run(self._client.query(function, args))

    def mutation(
        self,
        function: str,
        args: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Any:
        """Change something, once, however often the network fails on the way."""
        return self._thread.run(
            self._client.mutation(function, args, idempotency_key=idempotency_key)
        )

    def action(
        self,
        function: str,
        args: Mapping[str, Any] | None = None,
        *,
        wait: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        """Start an action, and give what it responds, or with `wait` what it returns."""
        return self._thread.run(
            self._client.action(function, args, wait=wait, idempotency_key=idempotency_key)
        )

    def functions(self) -> list[FunctionDescription]:
        """What the server's functions are called, and what they take."""
        return self._thread.run(self._client.functions())

    def open_api(self) -> Any:
        """The server's OpenAPI document, with the schemas of arguments and results."""
        return self._thread.run(self._client.open_api())

    def subscribe(
        self,
        function: str,
        args: Mapping[str, Any] | None = None,
        *,
        patience_seconds: float | None = 60.0,
        on_interruption: OnInterruption | None = None,
    ) -> Generator[Any]:
        """A query's value now, and whenever it changes."""
        return self._thread.iterate(
            self._client.subscribe(
                function, args, patience_seconds=patience_seconds, on_interruption=on_interruption
            )
        )

    def changes(
        self,
        function: str,
        args: Mapping[str, Any] | None = None,
        *,
        patience_seconds: float | None = 60.0,
        on_interruption: OnInterruption | None = None,
    ) -> Generator[Change]:
        """The same as `subscribe`, with the patches that led to each value."""
        return self._thread.iterate(
            self._client.changes(
                function, args, patience_seconds=patience_seconds, on_interruption=on_interruption
            )
        )

    def follow(
        self,
        queries: Mapping[str, Query],
        *,
        strict: bool = False,
        patience_seconds: float | None = 60.0,
        on_interruption: OnInterruption | None = None,
    ) -> Generator[View]:
        """Several queries on one stream, told together."""
        return self._thread.iterate(
            self._client.follow(
                queries,
                strict=strict,
                patience_seconds=patience_seconds,
                on_interruption=on_interruption,
            )
        )
