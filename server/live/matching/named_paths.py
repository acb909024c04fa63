"""The paths that a filter names, wherever in it they stand."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from server.live.paths import as_document

__all__ = ["filter_paths", "unbounded"]

_BEYOND: Final = {
    "$$NOW": "the time",
    "$$CLUSTER_TIME": "the time",
    "$$SEARCH_META": "a search",
    "$$USER_ROLES": "who asks",
    "$rand": "chance",
    "$sampleRate": "chance",
    "$meta": "how the document was found",
    "$function": "JavaScript",
    "$where": "JavaScript",
}
"""What is in an expression and is not in a document."""

_WHOLE: Final = ("$$ROOT", "$$CURRENT")
_LOGICAL: Final = ("$and", "$or", "$nor")
_KEYWORDS_OF_WHOLE: Final = (
    "additionalProperties",
    "patternProperties",
    "minProperties",
    "maxProperties",
)


def filter_paths(query: Mapping[str, Any]) -> set[str]:
    """Every path that `query` names, under logical operators and in expressions too."""
    return {word for word, is_path in _words(query) if is_path}


def unbounded(query: Mapping[str, Any]) -> str | None:
    """What `query` depends on besides the paths that it names; None where that is nothing."""
    return next((word for word, is_path in _words(query) if not is_path), None)


_Words = Iterator[tuple[str, bool]]
"""Paths, with True; and with False what else the answer depends on."""


def _words(query: Mapping[str, Any]) -> _Words:
    for name, operand in query.items():
        if name in _LOGICAL and isinstance(operand, list | tuple):
            for branch in map(as_document, cast("list[Any]", operand)):
                if branch is not None:
                    yield from _words(branch)
        elif name == "$expr":
            yield from _of_expression(operand)
        elif name == "$jsonSchema":
            yield from _of_schema(operand)
        elif not name.startswith("$"):
            yield name, True


def _of_expression(value: Any) -> _Words:
    if isinstance(value, str):
        yield from _of_text(value)
    elif isinstance(value, list | tuple):
        for one in cast("list[Any]", value):
            yield from _of_expression(one)
    elif isinstance(value, Mapping):
        for name, operand in cast("Mapping[str, Any]", value).items():
            if name in _BEYOND:
                yield _BEYOND[name], False
            elif name == "$getField":
                yield from _of_get_field(operand)
            elif name != "$literal":
                yield from _of_expression(operand)


def _of_text(text: str) -> _Words:
    if not text.startswith("$"):
        return
    if not text.startswith("$$"):
        yield text[1:], True
        return
    variable, _, path = text.partition(".")
    if variable in _BEYOND:
        yield _BEYOND[variable], False
    elif variable in _WHOLE and path:
        yield path, True
    elif variable in _WHOLE:
        yield "every field", False


def _of_get_field(operand: Any) -> _Words:
    """``{"$getField": name}`` or ``{"field": name, "input": document}``."""
    options = as_document(operand) or {}
    field: Any = options.get("field", operand)
    literal = as_document(field)
    if literal is not None and "$literal" in literal:
        field = literal["$literal"]
    elif isinstance(field, str) and field.startswith("$"):
        field = None
    if "field" in options and "input" in options:
        yield from _of_expression(options["input"])
        yield from _of_expression(options["field"])
    elif isinstance(field, str) and "." not in field:
        yield field, True
    else:
        yield "every field", False


def _of_schema(schema: Any) -> _Words:
    document = as_document(schema) or {}
    for keyword, operand in document.items():
        if keyword in _KEYWORDS_OF_WHOLE:
            yield "every field", False
        elif keyword in ("properties", "dependencies"):
            for name, inner in (as_document(operand) or {}).items():
                yield from _of_property(name)
                for other in cast("list[Any]", inner) if isinstance(inner, list) else ():
                    yield from _of_property(str(other))
                if keyword == "dependencies" and isinstance(inner, Mapping):
                    yield from _of_schema(inner)
        elif keyword == "required" and isinstance(operand, list | tuple):
            for name in cast("list[Any]", operand):
                yield from _of_property(str(name))
        elif keyword in ("allOf", "anyOf", "oneOf") and isinstance(operand, list | tuple):
            for inner in cast("list[Any]", operand):
                yield from _of_schema(inner)
        elif keyword == "not":
            yield from _of_schema(operand)


def _of_property(name: str) -> _Words:
    """A schema's property is a name, and may have dots in it that do not divide it."""
    if "." in name:
        yield "a field with a dot in its name", False
    else:
        yield name, True
