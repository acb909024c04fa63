"""Every error leaves in the one shape, whoever raised it."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.core.errors import HeadwaterError, Internal, Malformed, NotFound
from server.live.held import encode

__all__ = ["HANDLERS", "error_response"]


def error_response(error: HeadwaterError) -> Response:
    """`error` as a response."""
    headers = {"Cache-Control": "no-store"}
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    body = encode({"error": error.as_json()})
    return Response(body, error.status, headers, media_type="application/json")


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, HeadwaterError)
    return error_response(error)


async def _from_starlette(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, no such method there."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        known = error_response(NotFound(f"There is nothing at {request.url.path[:200]!r}."))
    else:
        allowed = (error.headers or {}).get("Allow", "another method")
        known = error_response(Malformed(f"{request.method} is not allowed here; use {allowed}."))
    known.status_code = error.status_code
    known.headers.update(error.headers or {})
    return known


async def _unknown(_: Request, error: Exception) -> Response:
    """A bug of ours or of `authenticate`; Starlette raises it again, and the server logs it."""
    return error_response(Internal("The server failed; its log says where and why."))


HANDLERS: dict[Any, Any] = {
    HeadwaterError: _known,
    HTTPException: _from_starlette,
    Exception: _unknown,
}
