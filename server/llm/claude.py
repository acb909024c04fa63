"""Claude, through the real SDK: one request in, the events of one reply out."""

import asyncio
import importlib
import random
import sys
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, date, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import httpx2

from server.llm.accumulator import Accumulator
from server.llm.errors import ClaudeError, KeyMissing, KeyRefused, TimedOut
from server.llm.events import Event, Retrying
from server.llm.limits import ClaudeLimits
from server.llm.models import find_model
from server.llm.request import ChatRequest, parameters

if TYPE_CHECKING:
    from server.llm.sdk import RawReply

__all__ = ["CLAUDE_BASE_URL", "Claude", "load_sdk"]

CLAUDE_BASE_URL = "https://api.anthropic.com"
"""The real service."""


async def load_sdk() -> None:
    """Import the SDK, on which Python works for two seconds, beside what else is to be done.

    Whoever asks Claude need not call this; a server does as it starts, and so nobody waits later.
    """
    if "server.llm.sdk" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "server.llm.sdk")


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
        self._replies: set[RawReply] = set()

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
        for reply in list(self._replies):  # aiohttp wakes nobody who waits at its connections
            await reply.close()
        for connection in connections.values():
            await connection.aclose()

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
        await load_sdk()
        from server.llm import sdk

        if base_url not in self._connections:
            self._connections[base_url] = sdk.connections_to(base_url, self._limits)
        connections, attempt = self._connections[base_url], 0
        while isinstance(
            reply := await sdk.open_reply(body, key, base_url, connections, self._limits),
            ClaudeError,
        ):
            delay_ms = self._retry_delay_ms(reply, attempt)
            if delay_ms is None:
                raise reply
            attempt += 1
            yield Retrying(attempt, delay_ms, reply.code)
            await asyncio.sleep(delay_ms / 1000)
        accumulator = Accumulator(reply.request_id)
        self._replies.add(reply)
        try:
            async with reply:
                while not accumulator.is_complete:
                    for event in accumulator.feed(await reply.next()):
                        yield event
                await reply.drain()
        finally:
            self._replies.discard(reply)

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

    def _retry_delay_ms(self, failure: ClaudeError, attempt: int) -> float | None:
        """How long to wait before asking again; None to give up."""
        limits = self._limits
        if attempt >= limits.retries_max or not failure.retryable or isinstance(failure, TimedOut):
            return None
        jitter = random.uniform(0.75, 1)  # noqa: S311 — spreads retries, guards nothing
        delay_ms = failure.asked_wait_ms or limits.retry_delay_ms * 2**attempt * jitter
        return delay_ms if delay_ms <= limits.retry_after_ms_max else None


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
