"""Keeps a query set current, whatever happens to connections.

            first message
    opening ─────────────▶ current
       ▲ │                    │
       │ └──▶ waiting ◀───────┘  cut off, silent for too long, or out of step
       └───────┘ after a delay

    a refusal that says "never" ends it, and so does an interruption that outlasts the patience

The set is fixed, so that one stream follows another and never two at a time: each continues from
the positions that are held when it opens. What no reader has taken yet is merged.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, cast

import orjson

from server.client import limits
from server.client.backoff import retry_seconds
from server.client.connection import Connection
from server.client.errors import BadAnswer, HeadwaterError, NotReached
from server.client.pending import Pending
from server.client.results import OutOfStep, Results
from server.core.event_stream import EventStream, EventTooLong, ServerSentEvent

__all__ = ["Following", "OnInterruption", "Query"]

Query = tuple[str, Mapping[str, Any]]
"""A function's name and its arguments."""

OnInterruption = Callable[[HeadwaterError | None], None]
"""Told why values may be out of date just now, with each attempt that fails; None: all is well."""


class Following:
    """One query set and its results.

    Args:
        connection: To the server.
        client_id: The client's name.
        wrote: Gives the position of the client's last write, where its streams are to begin.
        queries: By the names under which they are told.
        strict: Whether a query that is being run again holds the others back.
        patience_seconds: How long it may be cut off; None: for ever.
        on_interruption: Told when it is cut off, and when it is back.

    Attributes:
        results: What is known; never modified in the middle of a transition.
    """

    def __init__(
        self,
        connection: Connection,
        client_id: str,
        wrote: Callable[[], str | None],
        queries: Mapping[str, Query],
        *,
        strict: bool,
        patience_seconds: float | None,
        on_interruption: OnInterruption | None,
    ) -> None:
        self._connection = connection
        self._client_id = client_id
        self._wrote = wrote
        self._refused: str | None = None  # of `wrote`
        self._queries = {id_: (name, dict(args)) for id_, (name, args) in queries.items()}
        self._strict = strict
        self._patience = float("inf") if patience_seconds is None else patience_seconds
        self._on_interruption = on_interruption
        self._cut_off_since: float | None = time.monotonic()
        self._told = False
        self._failures = 0
        self._retries = 0
        self._pending = Pending()
        self._news = asyncio.Event()
        self.results = Results()

    async def updates(
        self, started: Callable[[asyncio.Task[None]], None]
    ) -> AsyncGenerator[dict[str, list[Any] | None]]:
        """What changed since the last, merged: for each query its patch, None for no patch.

        Args:
            started: Given the task that works beside the reader; cancelling it ends the updates.

        Raises:
            HeadwaterError: It was refused, or cut off for too long.
        """
        task = asyncio.create_task(self._keep())
        task.add_done_callback(lambda _: self._news.set())
        started(task)
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                if changed := self._pending.take():
                    yield changed
                elif task.cancelled():
                    return
                elif task.done():
                    task.result()
                    return
                if task.done():
                    self._news.set()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            try:
                await self._stream()
            except OutOfStep as cause:
                error: HeadwaterError = BadAnswer(str(cause), retry="resync")
            except HeadwaterError as cause:
                error = cause
            else:
                continue  # a query asked to be tried again
            if error.retry == "resync":
                self.results.forget_positions()
                self._refused = self._wrote()
            await self._wait_after(error)

    async def _wait_after(self, error: HeadwaterError) -> None:
        """Wait until it is time for another attempt.

        Raises:
            HeadwaterError: There is to be none.
        """
        now = time.monotonic()
        if self._cut_off_since is None:
            self._cut_off_since = now
        self._failures += 1
        delay = retry_seconds(self._failures, error.retry_after_ms, random.random())  # noqa: S311
        if error.retry == "never" or now + delay - self._cut_off_since > self._patience:
            raise error
        self._told = True
        self._tell(error)
        await asyncio.sleep(delay)

    def _tell(self, error: HeadwaterError | None) -> None:
        if self._on_interruption is not None:
            self._on_interruption(error)

    async def _stream(self) -> None:
        """One stream, until it fails, or until a query that failed for a while is to be retried.

        Raises:
            HeadwaterError: It was refused, cut off or silent.
            OutOfStep: It says what cannot follow what is held.
        """
        loop = asyncio.get_running_loop()
        events = EventStream()
        self._retry_at: float | None = None
        since: float | None = None
        try:
            async with (
                asyncio.timeout(limits.SILENCE_SECONDS_MAX) as watch,
                self._connection.event_stream("/api/sync", self._request()) as response,
            ):
                async for chunk in response.aiter_raw():
                    for event in events.feed(chunk):
                        if event.kind not in (b"", b"message"):
                            continue
                        self._take(event, first=since is None)
                        since = since or loop.time()
                        if loop.time() - since >= limits.STEADY_SECONDS:
                            self._failures = self._retries = 0
                        due = loop.time() + limits.SILENCE_SECONDS_MAX
                        watch.reschedule(min(due, self._retry_at or due))
        except TimeoutError:
            if self._retry_at is not None and loop.time() >= self._retry_at:
                return
            raise NotReached(
                f"The server at {self._connection.shown_url} is silent, for longer than it may be."
            ) from None
        except EventTooLong as error:
            raise BadAnswer(
                f"What the server says is too long to be taken in ({error}); ask for less.",
                retry="never",
            ) from None
        raise NotReached(f"The server at {self._connection.shown_url} ended the stream.")

    def _request(self) -> bytes:
        queries: list[dict[str, Any]] = []
        for id_, (function, args) in self._queries.items():
            position = self.results.position_of(id_)
            query = {"id": id_, "function": function, "args": args}
            queries.append(query | ({"from": position} if position else {}))
        asked = {"queries": queries, "client": self._client_id, "strict": self._strict}
        wrote = self._wrote()
        if wrote is not None and wrote != self._refused:
            asked["after"] = wrote
        return orjson.dumps(asked)

    def _take(self, event: ServerSentEvent, *, first: bool) -> None:
        transition = _transition(event)
        if first:
            self.results.continue_from(transition.get("from"))
        steps = self.results.receive(event.id.decode("ascii"), transition["queries"])
        for id_, step in steps.items():
            self._pending.add(id_, step, len(event.data))
        self._cut_off_since = None
        if self._told:
            self._told = False
            self._tell(None)
        self._plan_retry()
        if any(step.changed for step in steps.values()):
            self._news.set()

    def _plan_retry(self) -> None:
        """Where a query failed for a while, the stream is opened again when that has passed."""
        errors = [one.error for one in map(self.results.get, self._queries) if one and one.error]
        passing = [error for error in errors if error.retry != "never"]
        if not passing:
            self._retry_at = None
        elif self._retry_at is None:
            self._retries += 1
            asked = max(error.retry_after_ms or 0 for error in passing)
            delay = retry_seconds(self._retries, asked, random.random())  # noqa: S311
            self._retry_at = asyncio.get_running_loop().time() + delay


def _transition(event: ServerSentEvent) -> dict[str, Any]:
    """The message's data.

    Raises:
        OutOfStep: It is not in the protocol's form.
    """
    try:
        transition = orjson.loads(event.data)
    except orjson.JSONDecodeError:
        transition = None
    if not isinstance(transition, dict) or not isinstance(
        cast("dict[str, Any]", transition).get("queries"), dict
    ):
        raise OutOfStep(f"The message cannot be read: {event.data[:100]!r}.")
    if not event.id.isascii() or not 0 < len(event.id) <= limits.POSITION_LENGTH_MAX:
        raise OutOfStep(f"{event.id[:100]!r} is no position.")
    return cast("dict[str, Any]", transition)
