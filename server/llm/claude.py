"""Claude, through the real SDK: one request in, the events of one reply out."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlsplit

import anthropic
import httpx2
import orjson

from server.llm import failures
from server.llm.accumulator import Accumulator
from server.llm.errors import ClaudeError, KeyMissing, KeyRefused, StreamCut, TimedOut
from server.llm.events import Event, Retrying
from server.llm.models import find_model
from server.llm.request import ChatRequest, parameters

__all__ = ["CLAUDE_BASE_URL", "Claude", "ClaudeLimits"]

CLAUDE_BASE_URL = "https://api.anthropic.com"
"""The real service."""


@dataclass(frozen=True, slots=True)
class ClaudeLimits:
    """How long we wait for Claude, and how often we ask again."""

    connect_timeout_ms: int = 10_000
    silence_timeout_ms: int = 120_000
    """Without a single byte. The service sends pings while it thinks, so this much silence means a
    lost connection."""
    event_timeout_ms: int = 600_000
    """Without an event; pings do not count."""
    retries_max: int = 2
    """Only for requests that were turned away before the reply began."""
    retry_delay_ms: int = 500
    """Before the first retry, unless the service says otherwise; doubled before the next."""
    retry_after_ms_max: int = 20_000
    """A service that asks us to wait longer is not waited for: the caller is told."""
    drain_timeout_ms: int = 500
    """After the last event, for the end of the response, so that its connection can be reused."""

    def __post_init__(self) -> None:
        assert self.silence_timeout_ms <= self.event_timeout_ms
        assert self.retry_delay_ms <= self.retry_after_ms_max


class Claude:
    """A way to Claude: the deployment's own key, and the keys that callers bring.

    The deployment's key is used at `base_url`, which may be the stand-in's. A caller's key is used
    at `callers_base_url` only, so it never reaches a stand-in; it lives in memory for its call and
    appears in no message, log or ``repr``.

    Args:
        api_key: The deployment's key; None if callers must bring their own.
        base_url: Where the deployment's key is used; None is the real service.
        callers_base_url: Where callers' keys are used.
        limits: Waits and retries.
        today: The calendar, which decides what models are offered.
    """

    def __init__(
        self,
        api_key: str | None,
        base_url: str | None = None,
        *,
        callers_base_url: str = CLAUDE_BASE_URL,
        limits: ClaudeLimits | None = None,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url or CLAUDE_BASE_URL
        self._callers_base_url = callers_base_url
        self._limits = limits or ClaudeLimits()
        self._today = today
        self._connections: dict[str, httpx2.AsyncClient] = {}
        self._waiting: set[asyncio.Timeout] = set()

    def __repr__(self) -> str:
        return f"Claude(api_key={'…' if self._api_key else None}, host={_host(self._base_url)!r})"

    @property
    def has_key(self) -> bool:
        """Whether the deployment has a key of its own."""
        return self._api_key is not None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; replies still under way end in `StreamCut`."""
        connections, self._connections = self._connections, {}
        for connection in connections.values():
            await connection.aclose()
        for wait in self._waiting:  # aiohttp wakes nobody who waits at a connection that it closes
            wait.reschedule(0)

    async def stream(
        self, request: ChatRequest, api_key: str | None = None
    ) -> AsyncGenerator[Event, None]:
        """Ask for one reply and yield its events as they arrive; the last one is `Ended`.

        Leaving early stops the reply and its cost: wrap the call in `contextlib.aclosing`, so that
        leaving closes the connection at once.

        Args:
            request: What to ask.
            api_key: The caller's own key, used in place of the deployment's.

        Raises:
            ClaudeError: One of its branches. Before the first event nothing has been generated;
                after it, what was yielded stands.
        """
        body = parameters(request, find_model(request.model, self._today()))
        key, base_url = self._credentials(api_key)
        client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=base_url,
            http_client=self._connection(base_url),
            max_retries=0,  # ours are bounded in time; the SDK would wait as long as it is told
        )
        attempt = 0
        while isinstance(opened := await self._open(client, body, key, attempt), Retrying):
            attempt = opened.attempt
            yield opened
            await asyncio.sleep(opened.delay_ms / 1000)
        response = opened
        accumulator = Accumulator(response.headers.get("request-id"))
        async with contextlib.aclosing(response):
            raw_events = _raw_events(response)
            while not accumulator.is_complete:
                for event in accumulator.feed(await self._next(raw_events, key)):
                    yield event
            await self._drain(raw_events)

    def _credentials(self, callers_key: str | None) -> tuple[str, str]:
        """The key to use and where."""
        if callers_key is not None:
            return _checked(callers_key), self._callers_base_url
        if self._api_key is None:
            raise KeyMissing(
                "There is no key for Claude. Set ANTHROPIC_API_KEY for the server, or pass "
                "`apiKeys: {anthropic: …}` with the call."
            )
        return _checked(self._api_key), self._base_url

    def _connection(self, base_url: str) -> httpx2.AsyncClient:
        """The connections to this address, which calls with different keys share."""
        if base_url not in self._connections:
            limits = self._limits
            timeout = httpx2.Timeout(
                limits.silence_timeout_ms / 1000, connect=limits.connect_timeout_ms / 1000
            )
            # A proxy from the environment knows no way to this machine's own loopback.
            is_near = _host(base_url) in {"127.0.0.1", "::1", "localhost"}
            self._connections[base_url] = anthropic.DefaultAioHttpClient(
                timeout=timeout, trust_env=not is_near
            )
        return self._connections[base_url]

    async def _open(
        self, client: anthropic.AsyncAnthropic, body: dict[str, Any], key: str, attempt: int
    ) -> httpx2.Response | Retrying:
        try:
            return (await client.messages.create(**body, stream=True)).response
        except failures.EXPECTED as error:
            failure = failures.translated(error, key)
        delay_ms = self._retry_delay_ms(failure, attempt)
        if delay_ms is None:
            # Out here, and not in the `except`: the SDK's error holds the request, and the
            # request holds the key.
            raise failure
        return Retrying(attempt + 1, delay_ms, failure.code)

    def _retry_delay_ms(self, failure: ClaudeError, attempt: int) -> float | None:
        """How long to wait before asking again; None to give up."""
        limits = self._limits
        if attempt >= limits.retries_max or not failure.retryable or isinstance(failure, TimedOut):
            return None
        jitter = random.uniform(0.75, 1)  # noqa: S311 — spreads retries, guards nothing
        delay_ms = failure.asked_wait_ms or limits.retry_delay_ms * 2**attempt * jitter
        return delay_ms if delay_ms <= limits.retry_after_ms_max else None

    async def _next(self, raw_events: AsyncIterator[dict[str, Any]], key: str) -> dict[str, Any]:
        connections = self._connections
        wait = asyncio.timeout(self._limits.event_timeout_ms / 1000)
        self._waiting.add(wait)
        try:
            async with wait:
                return await anext(raw_events)
        except StopAsyncIteration:
            raise _ended_early() from None
        except TimeoutError:
            if self._connections is not connections:
                raise _ended_early() from None
            raise TimedOut(
                "Claude's service went on without a word for too long. What has arrived is kept; "
                "ask again to go on."
            ) from None
        except failures.EXPECTED as error:
            raise failures.translated(error, key) from None
        finally:
            self._waiting.discard(wait)

    async def _drain(self, raw_events: AsyncIterator[dict[str, Any]]) -> None:
        with contextlib.suppress(StopAsyncIteration, TimeoutError, *failures.EXPECTED):
            async with asyncio.timeout(self._limits.drain_timeout_ms / 1000):
                await anext(raw_events)


def _ended_early() -> StreamCut:
    return StreamCut(
        "Claude's reply ended before its end. What has arrived is kept; ask again to go on."
    )


async def _raw_events(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    """The events as plain JSON; the SDK would make models of them, at twice the cost of the rest.

    Raises:
        anthropic.APIStatusError: The service says that it cannot go on.
    """
    async for event in anthropic.AsyncStream.raw_events(response):
        if not event.data or event.event == "ping":
            continue
        data = _json(event.data)
        if event.event == "error":
            raise anthropic.APIStatusError(event.data, response=response, body=data)
        if not isinstance(data, dict):
            raise json.JSONDecodeError("an event is an object", event.data, 0)
        yield cast("dict[str, Any]", data)


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)  # which knows halves of characters


def _checked(key: str) -> str:
    """The key without the white space of a careless copy.

    Raises:
        KeyRefused: It cannot be a key, and could not be sent in a header either.
    """
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyRefused(
            "The key for Claude is empty or holds characters that no key has. Copy it again from "
            "https://platform.claude.com."
        )
    return key


def _host(base_url: str) -> str | None:
    return urlsplit(base_url).hostname
