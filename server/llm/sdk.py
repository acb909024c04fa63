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

from server.core.event_stream import EventStream
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
        self._events = _events(response, limits.event_timeout_ms)
        self._key = key
        self._limits = limits

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
        """Close its connection; who waits for the next event gets a `StreamCut`."""
        await self._response.aclose()

    async def next(self) -> dict[str, Any]:
        """The next event, as JSON.

        Raises:
            ClaudeError: There will be none.
        """
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            raise StreamCut(
                "Claude's reply ended before its end. What has arrived is kept; ask again to go on."
            ) from None
        except TimeoutError:
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


async def _events(response: httpx2.Response, timeout_ms: int) -> AsyncIterator[dict[str, Any]]:
    """The events as plain JSON; the SDK would make models of them, at twice the cost of the rest.

    Raises:
        TimeoutError: Bytes came, and for too long none of them was an event.
        anthropic.APIStatusError: The service says that it cannot go on.
    """
    stream, clock = EventStream(), asyncio.get_running_loop().time
    heard_at = clock()
    async for chunk in response.aiter_bytes():
        for event in stream.feed(chunk):
            if event.kind == b"ping":
                continue
            data = _json(event.data)
            if event.kind == b"error":
                said = event.data.decode(errors="replace")
                raise anthropic.APIStatusError(said, response=response, body=data)
            if not isinstance(data, dict):
                raise json.JSONDecodeError("an event is an object", repr(event.data[:80]), 0)
            yield cast("dict[str, Any]", data)
            heard_at = clock()
        if clock() - heard_at > timeout_ms / 1000:
            raise TimeoutError


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)  # which knows halves of characters
