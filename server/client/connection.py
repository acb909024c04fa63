"""How the server is reached: its address, who asks, and what it means when no answer comes."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import httpx2
import orjson

from server.client import limits
from server.client.errors import BadAnswer, NotReached, error_from_body

__all__ = ["Connection", "Headers"]

Headers = Mapping[str, str] | Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]]
"""Headers, or what gives them for each request, such as a token that is renewed."""

_FAILURES = (httpx2.TransportError, httpx2.DecodingError)


class Connection:
    """One server, as one client sees it.

    What the HTTP library says of a failure may quote a header, so its words go nowhere.

    Args:
        url: Where the server is, with the path under which it is mounted.
        headers: For every request.
        cookies: The same; those that the server sets are kept beside them.
        http: Another HTTP client, for other certificates or a proxy; it is not closed here.

    Attributes:
        shown_url: The address without what may be secret in it.

    Raises:
        ValueError: `url` is no address.
    """

    def __init__(
        self,
        url: str,
        headers: Headers | None,
        cookies: Mapping[str, str] | None,
        http: httpx2.AsyncClient | None,
    ) -> None:
        parts = _parsed(url)
        self._url = parts.geturl().rstrip("/")
        host = parts.netloc.rpartition("@")[2]
        self.shown_url = parts._replace(netloc=host).geturl().rstrip("/")
        self._headers = headers or {}
        self._owned = http is None
        # Redirects are not followed, so that headers and cookies go nowhere else. Over plain HTTP
        # nobody is verified; to be able to takes 50 ms.
        self._http = http or httpx2.AsyncClient(
            cookies=dict(cookies or {}),
            verify=parts.scheme == "https",
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=limits.CONNECTIONS_KEPT_MAX
            ),
            timeout=httpx2.Timeout(None, connect=limits.CONNECT_SECONDS_MAX),
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._owned:
            await self._http.aclose()

    async def answer(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Any:
        """The JSON of one answer.

        Raises:
            HeadwaterError: There is none, or it is an error.
        """
        async with self._response(method, path, body, headers) as response:
            content = await _content(response)
            if not response.is_success:
                raise error_from_body(_error_of(content), response.status_code)
            try:
                return orjson.loads(content)
            except orjson.JSONDecodeError:
                raise error_from_body(None, response.status_code) from None

    @asynccontextmanager
    async def event_stream(self, path: str, body: bytes) -> AsyncGenerator[httpx2.Response]:
        """An open stream of events.

        Raises:
            HeadwaterError: The server refuses it, or the connection is lost within the block.
        """
        # A compressed stream would wait for more than it has.
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        async with self._response("POST", path, body, headers) as response:
            if response.status_code != 200:
                content = await _content(response)
                raise error_from_body(_error_of(content), response.status_code)
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise error_from_body(None, response.status_code)
            yield response

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> AsyncGenerator[httpx2.Response]:
        sent = {**await self._own_headers(), **headers}
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            request = self._http.stream(
                method, self._url + path, content=body, headers=sent, follow_redirects=False
            )
            async with request as response:
                yield response
        except _FAILURES as error:
            raise NotReached(
                f"The server at {self.shown_url} gave no answer ({type(error).__name__})."
            ) from None

    async def _own_headers(self) -> dict[str, str]:
        given = self._headers() if callable(self._headers) else self._headers
        headers = dict(await given if inspect.isawaitable(given) else given)
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"The header {name!r} has characters that no header may have.")
        return headers


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        valid, parts = False, urlsplit("")
    if not valid or parts.query or parts.fragment:
        raise ValueError(
            "The server's address is such as http://127.0.0.1:8000 or https://example.com/app."
        )
    return parts


async def _content(response: httpx2.Response) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        size += len(piece)
        if size > limits.ANSWER_BYTES_MAX:
            raise BadAnswer(
                f"The answer takes more than {limits.ANSWER_BYTES_MAX} bytes; ask for less.",
                retry="never",
                status=response.status_code,
            )
    return b"".join(pieces)


def _error_of(content: bytes) -> object:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, object]", body).get("error") if isinstance(body, dict) else None
