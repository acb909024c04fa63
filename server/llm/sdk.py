"""One request through Claude's real SDK: its raw events, and its errors as ours.

Importing the SDK takes two seconds, so whoever wants this module asks `load_sdk` for it.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import anthropic
import httpx2
from anthropic.types import RawMessageStreamEvent

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
        return httpx2.AsyncClient(
            timeout=timeout,
            limits=anthropic.DEFAULT_CONNECTION_LIMITS,
            trust_env=False,  # a proxy knows no way to this machine's own loopback
            verify=address.scheme == "https",  # or the authorities are read for 50 ms, for nothing
        )
    return anthropic.DefaultAsyncHttpxClient(timeout=timeout)


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
        return RawReply(await client.messages.create(**body, stream=True), key, limits)
    except failures.EXPECTED as error:
        return failures.translated(error, key)


class RawReply:
    """A reply that has begun; leaving the block closes its connection.

    Attributes:
        request_id: The ``request-id`` header of the response.
    """

    def __init__(
        self,
        stream: anthropic.AsyncStream[RawMessageStreamEvent],
        key: str,
        limits: ClaudeLimits,
    ) -> None:
        self.request_id = stream.response.headers.get("request-id")
        self._stream = stream
        self._events = aiter(stream)
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
        await self._stream.close()

    async def next(self) -> RawMessageStreamEvent:
        """The next event.

        Raises:
            ClaudeError: There will be none.
        """
        try:
            async with asyncio.timeout(self._limits.event_timeout_ms / 1000):
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
