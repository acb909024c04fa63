"""Which pages may use the server: those from its own host, and those it was told of.

A browser names the page's origin with every request that could do harm; other programs do not,
and are let through. Refusing happens before anything runs.

Source: the Fetch standard, "CORS protocol"; Fetch Metadata Request Headers, "Sec-Fetch-Site".
"""

import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.core import limits
from server.core.errors import OriginNotAllowed
from server.web.errors import error_response

__all__ = ["OriginCheck"]

_log = logging.getLogger("headwater")

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ALLOWED_HEADERS = "authorization, content-type, headwater-client, idempotency-key, last-event-id"


class OriginCheck:
    """Refuses foreign origins, and lets browsers read answers from allowed ones.

    A page is not shown why it was refused, so the log says it, once for each origin.

    Args:
        app: What is guarded.
        allowed: Origins, beside our own, whose pages may call.
    """

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self._app = app
        self._allowed = allowed
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or _is_own(origin, headers):
            await self._app(scope, receive, send)
        elif origin not in self._allowed:
            refusal = OriginNotAllowed(
                f"Pages from {origin[:200]!r} may not use this server; its operator can name that "
                "origin in HEADWATER_ALLOWED_ORIGINS."
            )
            self._tell(origin[:200])
            await error_response(refusal)(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await _preflight(origin)(scope, receive, send)
        else:
            await self._app(scope, receive, _with_origin(send, origin))

    def _tell(self, origin: str) -> None:
        if origin in self._told or len(self._told) >= limits.ORIGINS_TOLD_MAX:
            return
        self._told.add(origin)
        _log.warning(
            "A page from %r was refused. If it is yours, name that origin in "
            "HEADWATER_ALLOWED_ORIGINS, with commas between several.",
            origin,
        )


def _is_own(origin: str, headers: Headers) -> bool:
    """Whether host and port of `origin` are those that the request was sent to.

    A proxy between the two may name its target as the host, as vite's does; the browser has said
    what it knew, in a header that no page can set.
    """
    if origin != "null" and headers.get("sec-fetch-site") == "same-origin":
        return True
    try:
        parts = urlsplit(origin)
        default = _DEFAULT_PORTS[parts.scheme]
        asked = urlsplit(f"//{headers.get('host', '')}")
        return bool(parts.hostname) and (parts.hostname, parts.port or default) == (
            asked.hostname,
            asked.port or default,
        )
    except (KeyError, ValueError):
        return False


def _preflight(origin: str) -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        },
    )


def _with_origin(send: Send, origin: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
            headers.add_vary_header("Origin")
        await send(message)

    return sending
