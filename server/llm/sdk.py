"""One request through Claude's real SDK: its raw events, and its errors as ours.

Importing the SDK takes two seconds, so whoever wants this module asks `load_sdk` for it.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlsplit

import anthropic
import httpx2
import orjson

from server.llm import failures
from server.llm.errors import ClaudeError, StreamCut, TimedOut
from server.llm.limits import ClaudeLimits

__all__ = ["RawReply", "connections_to", "open_reply"]


def connections_to(base_url: str, limits: ClaudeLimits) -> httpx2.AsyncClient:
    """Connections to this address, which calls with different keys may share."""
    timeout = httpx2.Timeout(
        limits.silence_timeout_ms / 1000, connect=limits.connect_timeout_ms / 1000
    )
    address = urlsplit(base_url)
    if address.hostname in {"127.0.0.1", "::1", "localhost"}:
        return anthropic.DefaultAioHttpClient(
            timeout=timeout,
            trust_env=False,  # a proxy knows no way to this machine's own loopback
            verify=address.scheme == "https",  # or the authorities are read for 50 ms, for nothing
        )
    return anthropic.DefaultAioHttpClient(timeout=timeout)


async def open_reply(
    body: dict[str, Any],
    key: str,
    base_url: str,
    connections: httpx2.AsyncClient,
    limits: ClaudeLimits,
) -> "RawReply | ClaudeError":
    """Ask, once. A failure is returned: the SDK's error, which would be the context of one raised
    here, holds the request, and the request holds the key."""
    client = anthropic.AsyncAnthropic(
        api_key=key,
        base_url=base_url,
        http_client=connections,
        max_retries=0,  # ours are bounded in time; the SDK would wait as long as it is told
    )
    try:
        stream = await client.messages.create(**body, stream=True)
        return RawReply(stream.response, key, limits)
    except failures.EXPECTED as error:
        return failures.translated(error, key)


class RawReply:
    """A reply that has begun; leaving the block closes its connection.

    Attributes:
        request_id: The ``request-id`` header of the response.
    """

    def __init__(self, response: httpx2.Response, key: str, limits: ClaudeLimits) -> None:
        self.request_id = response.headers.get("request-id")
        self._response = response
        self._events = _events(response)
        self._key = key
        self._limits = limits
        self._wait: asyncio.Timeout | None = None
        self._is_cut = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._response.aclose()

    def cut(self) -> None:
        """Its connection has been closed here; aiohttp wakes nobody who waits at one."""
        self._is_cut = True
        if self._wait is not None:
            self._wait.reschedule(0)

    async def next(self) -> dict[str, Any]:
        """The next event, as JSON.

        Raises:
            ClaudeError: There will be none.
        """
        try:
            async with asyncio.timeout(self._limits.event_timeout_ms / 1000) as self._wait:
                return await anext(self._events)
        except StopAsyncIteration:
            raise _ended_early() from None
        except TimeoutError:
            if self._is_cut:
                raise _ended_early() from None
            raise TimedOut(
                "Claude's service went on without a word for too long. What has arrived is kept; "
                "ask again to go on."
            ) from None
        except failures.EXPECTED as error:
            raise failures.translated(error, self._key) from None

    async def drain(self) -> None:
        """Wait for the end of the response after its last event, so that its connection lives."""
        with contextlib.suppress(StopAsyncIteration, TimeoutError, *failures.EXPECTED):
            async with asyncio.timeout(self._limits.drain_timeout_ms / 1000):
                await anext(self._events)


def _ended_early() -> StreamCut:
    return StreamCut(
        "Claude's reply ended before its end. What has arrived is kept; ask again to go on."
    )


async def _events(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
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
