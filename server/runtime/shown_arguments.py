"""A query's arguments as its operator may see them: shortened, and without what could be a secret.

Whoever operates a server may know what its queries are about, and need not learn what a caller
would keep to itself. So this errs on the side of leaving out.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

import orjson

from server.runtime.functions import Function

__all__ = ["shown_arguments"]

LENGTH_MAX = 200
TEXT_LENGTH_MAX = 60
CANONICAL_BYTES_MAX = 16 << 10
"""Larger arguments are not looked at; only their size is told."""

HIDDEN = "…"

_SECRET_NAME = re.compile(
    r"key(?!word|board)|token|secret|passw|passphrase|pwd|auth(?!or(?!iz))|credential|cookie|session"
    r"|signature|ticket|bearer|jwt|otp",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"(?:\b|_)(?:sk|pk|rk|gh[a-z]|xox[a-z])[-_][\w-]{8,}"  # keys as services write them
    r"|\beyJ[\w-]{8,}\.[\w-]+"  # a JSON web token
    r"|://[^/\s]*@"  # a URI with a password
    r"|\b(?:bearer|basic)\s+\S{8,}"
    r"|-----BEGIN",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
"""What is shown of a name. Anything else may be a value that was written as a key."""


def shown_arguments(function: Function[..., Any], canonical: bytes) -> str:
    """The arguments of a call of `function`, as JSON of `LENGTH_MAX` characters at most.

    Args:
        function: What is called.
        canonical: Its arguments as JSON, by Python's names or those of the wire.
    """
    if len(canonical) > CANONICAL_BYTES_MAX:
        return f"({len(canonical)} bytes)"
    text = orjson.dumps(_hide("", _dumped(function, orjson.loads(canonical)))).decode()
    return text if len(text) <= LENGTH_MAX else text[: LENGTH_MAX - 1] + HIDDEN


def _dumped(function: Function[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by their wire names; Pydantic has masked what is declared a secret."""
    wire_names = function.wire_names
    named = {wire_names.get(name, name): value for name, value in values.items()}
    try:
        return function.arguments.model_validate(named).model_dump(mode="json", by_alias=True)
    except Exception:  # noqa: BLE001  # a type of the application's own, of which nothing is known
        return dict.fromkeys(named, HIDDEN)


def _hide(name: str, value: Any) -> Any:
    """`value`, which stands under `name`, without what could be a secret."""
    if value is not None and _SECRET_NAME.search(name):
        return HIDDEN
    match value:
        case str():
            if _SECRET_VALUE.search(value):
                return HIDDEN
            return value if len(value) <= TEXT_LENGTH_MAX else value[:TEXT_LENGTH_MAX] + HIDDEN
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {k if _NAME.fullmatch(k) else HIDDEN: _hide(k, v) for k, v in items}
        case list():
            return [_hide(name, one) for one in cast("list[Any]", value)]
        case _:
            return value
