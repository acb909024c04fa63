"""Reading what a client sent: JSON, bounded, with an error that says what was wrong."""

from typing import Any, cast

import orjson
from starlette.requests import ClientDisconnect, Request

from server.core import limits
from server.core.errors import Malformed, TooLarge, UnsupportedMediaType

__all__ = ["json_object", "parse_json"]


async def json_object(request: Request) -> dict[str, Any]:
    """The body, which must be a JSON object.

    Raises:
        UnsupportedMediaType: It does not call itself JSON.
        TooLarge: It exceeds `BODY_BYTES_MAX`.
        Malformed: It is not JSON, or not an object.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType(
            "Send a JSON body with Content-Type: application/json; this one says "
            f"{media_type[:100]!r}."
        )
    value = parse_json(await _bounded(request), "The body")
    if not isinstance(value, dict):
        raise Malformed(
            'The body must be a JSON object of arguments by name, such as {"limit": 5}.'
        )
    return cast("dict[str, Any]", value)


def parse_json(text: bytes | str, what: str) -> Any:
    """`text` as JSON.

    Raises:
        Malformed: It is not JSON, or nested too deeply.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed(
            f"{what} is not JSON (line {error.lineno}, column {error.colno})."
        ) from None
    if _deeper_than(value, limits.ARGS_DEPTH_MAX):
        raise Malformed(f"{what} is nested more than {limits.ARGS_DEPTH_MAX} deep.")
    return value


async def _bounded(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.BODY_BYTES_MAX:
                raise TooLarge(
                    f"A body may have {limits.BODY_BYTES_MAX} bytes; send less at a time."
                )
            chunks.append(chunk)
    except ClientDisconnect:
        raise Malformed("The client left in the middle of the body.") from None
    return b"".join(chunks)


def _deeper_than(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        children = cast("dict[str, Any]", value).values()
    elif isinstance(value, list):
        children = cast("list[Any]", value)
    else:
        return False
    return levels == 0 or any(_deeper_than(child, levels - 1) for child in children)
