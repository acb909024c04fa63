"""The arguments of a function, as they are written after a command."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, TextIO, cast

from server.client import FunctionDescription
from server.core.errors import StartupError

__all__ = ["arguments_of"]

_BYTES_MAX = 1 << 20  # more than the server takes


def arguments_of(
    function: FunctionDescription, texts: Sequence[str], stdin: TextIO
) -> dict[str, Any]:
    """The arguments that `texts` say, in order: of one that is said twice the last counts.

    Each text is a JSON object, ``-`` for one on standard input, or ``name=value``. There `value` is
    the text itself where the function takes a text, and else JSON, where it is any.

    Raises:
        StartupError: A text says none of these.
    """
    takes_text = {argument.name for argument in function.arguments if argument.is_text}
    arguments: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if text == "-":
            arguments |= _object(stdin.read(_BYTES_MAX + 1), "Standard input")
        elif text.lstrip().startswith("{"):
            arguments |= _object(text, repr(_short(text)))
        elif equals and name:
            arguments[name] = value if name in takes_text else _value(value)
        else:
            raise StartupError(
                f"{_short(text)!r} is neither name=value, nor a JSON object, nor - for one on "
                f"standard input; {function.name} takes {_names(function)}."
            )
    return arguments


def _object(text: str, what: str) -> dict[str, Any]:
    if len(text) > _BYTES_MAX:
        raise StartupError(f"{what} has more than {_BYTES_MAX} characters.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StartupError(f"{what} is no JSON ({error}).") from None
    if not isinstance(found, dict):
        raise StartupError(f"{what} is no JSON object of arguments by name.")
    return cast("dict[str, Any]", found)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _names(function: FunctionDescription) -> str:
    names: Iterable[str] = (
        argument.name if argument.required else f"{argument.name}?"
        for argument in function.arguments
    )
    return ", ".join(names) or "no arguments"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
