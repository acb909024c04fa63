"""What an OpenAPI document of Headwater's says of an application.

Source: OpenAPI 3.1, whose schemas are JSON Schema 2020-12.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

__all__ = [
    "REFERENCE",
    "Application",
    "FunctionType",
    "Schema",
    "UnfitDocument",
    "read_application",
]

Schema = Mapping[str, Any]

REFERENCE = "#/components/schemas/"
"""How a schema that refers to another begins."""

_KINDS = ("query", "mutation", "action")


class UnfitDocument(ValueError):
    """It is no OpenAPI document of Headwater's."""


@dataclass(frozen=True)
class FunctionType:
    """One function.

    Attributes:
        room: The part of its name before the dot.
        name: The part after it.
        kind: How it is called.
        text: What it says of itself; may be empty.
        arguments: The schema of the object of its arguments.
        result: The schema of its value; an empty one where it does not say.
    """

    room: str
    name: str
    kind: str
    text: str
    arguments: Any
    result: Any


@dataclass(frozen=True)
class Application:
    """Functions by name, and the schemas that theirs refer to."""

    functions: tuple[FunctionType, ...]
    schemas: Mapping[str, Schema]

    def rooms(self) -> Iterator[tuple[str, list[FunctionType]]]:
        """The functions of each room, in order of name."""
        for room, functions in groupby(self.functions, key=lambda one: one.room):
            yield room, list(functions)

    def resolved(self, schema: Any) -> Any:
        """What `schema` refers to, where it does no more than that."""
        seen: set[str] = set()
        while isinstance(schema, Mapping):
            name = str(cast("Schema", schema).get("$ref", "")).removeprefix(REFERENCE)
            if name not in self.schemas or name in seen:
                break
            seen.add(name)
            schema = self.schemas[name]
        return cast("Any", schema)


def read_application(document: Any) -> Application:
    """The application that `document` describes.

    Raises:
        UnfitDocument: It is none of Headwater's.
    """
    try:
        paths: Mapping[str, Any] = document["paths"]
        functions = [_function(path, item["post"]) for path, item in sorted(paths.items())]
        schemas = dict(document["components"]["schemas"].items())
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnfitDocument("What the server says of its functions cannot be read.") from None
    names = [(one.room, one.name) for one in functions]
    if len(set(names)) < len(names):
        raise UnfitDocument("What the server says has two functions of one name.")
    return Application(tuple(sorted(functions, key=lambda one: (one.room, one.name))), schemas)


def _function(path: str, operation: Any) -> FunctionType:
    _, api, kind, whole = path.split("/")
    room, name = whole.split(".")
    # They become JavaScript: nothing but names may, whoever sent the document.
    fits = all(part.isidentifier() and part != "__proto__" for part in (room, name))
    if api != "api" or kind not in _KINDS or not fits:
        raise ValueError(path)
    content = operation["requestBody"]["content"]["application/json"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    text = str(operation.get("description") or operation.get("summary") or "")
    return FunctionType(
        room=room,
        name=name,
        kind=kind,
        text="" if text == whole else text,
        arguments=content["schema"],
        result=answer["properties"]["value"],
    )
