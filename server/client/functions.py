"""What a server's functions are called, what they take and what they are for.

Source: OpenAPI 3.1, as ``/openapi.json`` describes them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast, get_args

from server.client.calls import Kind
from server.client.errors import BadAnswer

__all__ = ["Argument", "FunctionDescription", "described"]

_REFERENCE = "#/components/schemas/"


class Argument(NamedTuple):
    """One argument of a function.

    Attributes:
        name: On the wire.
        type: For a person: ``string``, ``[integer]``, ``"a" | "b"``, a model's name.
        required: Whether it must be given.
        default: What it is where it is not given; None also where the server does not say.
        is_text: Whether it takes a text, and nothing that could be mistaken for one.
    """

    name: str
    type: str
    required: bool
    default: Any
    is_text: bool


class FunctionDescription(NamedTuple):
    """One function.

    Attributes:
        name: ``module.function``.
        kind: How it is called.
        arguments: In order.
        summary: The first line of what it says of itself; may be empty.
    """

    name: str
    kind: Kind
    arguments: list[Argument]
    summary: str


def described(document: object) -> list[FunctionDescription]:
    """The functions in an OpenAPI document, in its order.

    Raises:
        BadAnswer: It is none of Headwater's.
    """
    try:
        return [_function(path, item, cast("Any", document)) for path, item in _paths(document)]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise BadAnswer("What the server says of its functions cannot be read.") from None


def _paths(document: Any) -> list[tuple[str, Any]]:
    items = cast("Mapping[str, Any]", document["paths"]).items()
    return [(path, item) for path, item in items if path.startswith("/api/")]


def _function(path: str, item: Any, document: Any) -> FunctionDescription:
    _, _, kind, name = path.split("/")
    if kind not in get_args(Kind):
        raise ValueError(kind)
    operation = item["post"]
    content = operation["requestBody"]["content"]["application/json"]
    schema = _resolved(content["schema"], document)
    required = schema.get("required", ())
    summary = str(operation.get("summary", ""))
    return FunctionDescription(
        name,
        cast("Kind", kind),
        [
            Argument(
                name=key,
                type=_shown(value),
                required=key in required,
                default=value.get("default"),
                is_text=_types(_resolved(value, document), document) <= {"string", "null"},
            )
            for key, value in schema.get("properties", {}).items()
        ],
        summary if summary != name else "",
    )


def _resolved(schema: Any, document: Any) -> Any:
    name = schema.get("$ref", "")
    if not name.startswith(_REFERENCE):
        return schema
    return document["components"]["schemas"][name.removeprefix(_REFERENCE)]


def _types(schema: Any, document: Any) -> set[str]:
    """The JSON types that a value may have; "any" where that is not said."""
    if "anyOf" in schema:
        each = (_types(_resolved(one, document), document) for one in schema["anyOf"])
        return set[str]().union(*each)
    return {schema.get("type", "any")}


def _shown(schema: Any) -> str:
    match schema:
        case {"$ref": str(name)}:
            return name.rpartition("/")[2]
        case {"anyOf": choices}:
            return " | ".join(_shown(choice) for choice in choices)
        case {"enum": values}:
            return " | ".join(f'"{value}"' for value in values)
        case {"const": value}:
            return f'"{value}"'
        case {"type": "array", "items": items}:
            return f"[{_shown(items)}]"
        case {"type": str(name)}:
            return name
        case _:
            return "any"
