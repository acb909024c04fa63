"""Calls: one POST each, tried again where that can do no harm.

A query changes nothing. A mutation and an action carry an Idempotency-Key, one for all attempts,
so that the server runs them once however often they arrive. What the server says may be tried
``after`` a while, and an answer that never came, is tried again; nothing else is.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import orjson

from server.client import limits
from server.client.backoff import retry_seconds
from server.client.connection import Connection
from server.client.errors import HeadwaterError, NotReached, error_from_body

__all__ = ["Calls", "Kind"]

Kind = Literal["query", "mutation", "action"]


class Calls:
    """Calls of one client.

    Args:
        connection: To the server.
        client_id: The client's name, by which its streams know its mutations.

    Attributes:
        wrote: The position of the last answer to a mutation or an action; None before.
    """

    def __init__(self, connection: Connection, client_id: str) -> None:
        self._connection = connection
        self._client_id = client_id
        self.wrote: str | None = None

    async def call(
        self, kind: Kind, function: str, args: Mapping[str, Any] | None, key: str, *, wait: bool
    ) -> Any:
        """The function's value.

        Raises:
            HeadwaterError: The last attempt's.
            TypeError: The arguments are no JSON.
        """
        body = orjson.dumps(dict(args or {}))
        path = f"/api/{kind}/{quote(function, safe='')}" + ("?wait=true" if wait else "")
        headers = {"Headwater-Client": self._client_id}
        if kind != "query":
            headers["Idempotency-Key"] = key
        seconds = limits.WAIT_SECONDS_MAX if wait else limits.CALL_SECONDS_MAX
        attempt = 1
        while True:
            try:
                answer = await self._attempt(path, body, headers, seconds)
            except HeadwaterError as error:
                asked = error.retry_after_ms or 0
                is_last = attempt == limits.CALL_ATTEMPTS_MAX or asked > limits.RETRY_AFTER_MS_MAX
                if error.retry != "after" or is_last:
                    raise
                delay = retry_seconds(attempt, error.retry_after_ms, random.random())  # noqa: S311
            else:
                if kind != "query":
                    self.wrote = answer["position"]
                return answer["value"]
            await asyncio.sleep(delay)
            attempt += 1

    async def _attempt(
        self, path: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> dict[str, Any]:
        try:
            async with asyncio.timeout(seconds):
                answer = await self._connection.answer("POST", path, body, **headers)
        except TimeoutError:
            raise NotReached(
                f"The server at {self._connection.shown_url} gave no answer in {seconds:.0f} s."
            ) from None
        match answer:
            case {"value": _, "position": str(position)} if (
                len(position) <= limits.POSITION_LENGTH_MAX
            ):
                return answer
            case _:
                raise error_from_body(None, 200)
