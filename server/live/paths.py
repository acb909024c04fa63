"""Dotted paths through stored documents, as a filter of MongoDB's walks them."""

from collections.abc import Sequence
from typing import Any, Final, cast

from bson import DBRef

from server.live.text import ChunkText

__all__ = ["MISSING", "Unexpanded", "as_document", "as_items", "index_of", "leaves"]


class _Missing:
    """The value of a field that is not there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Unexpanded(list[Any]):
    """An array that a path named by its index: it is compared whole, not by its elements."""


def leaves(value: Any, steps: Sequence[str]) -> list[Any]:
    """Every value that the path reaches in `value`; arrays on the way are entered.

    A document that lacks a step gives `MISSING`; so does a scalar where a document was wanted,
    but not inside an array. A numeric step is an index of an array, a key of a document.
    """
    for position, step in enumerate(steps):
        if value.__class__ is not dict:
            items = as_items(value)
            if items is not None:
                found: list[Any] = []
                _enter(items, steps[position:], found)
                return found
            value = as_document(value)
            if value is None:
                return [MISSING]
        value = value.get(step, MISSING)
    return [value]


def _enter(items: list[Any], steps: Sequence[str], found: list[Any]) -> None:
    """What the path reaches in an array: in the element that it names, and in all documents."""
    rest = steps[1:]
    index = index_of(steps[0], len(items))
    if index is not None:
        item = items[index]
        inner = as_items(item)
        if inner is None and (not rest or as_document(item) is not None):
            found += leaves(item, rest)
        elif inner is not None and rest:
            _enter(inner, rest, found)
        elif inner is not None:
            found.append(Unexpanded(inner))
    for item in items:
        document = as_document(item)
        if document is None:
            continue
        if rest:
            found += leaves(document, steps)
        else:
            found.append(document.get(steps[0], MISSING))


def index_of(step: str, length: int) -> int | None:
    """The index that `step` names in an array of `length`, if it does."""
    if not step.isdecimal() or not step.isascii() or (len(step) > 1 and step[0] == "0"):
        return None
    index = int(step) if len(step) < 10 else length
    return index if index < length else None


def as_items(value: Any) -> list[Any] | None:
    """The elements of an array, or None."""
    if isinstance(value, list):
        return cast("list[Any]", value)
    return value.chunks() if isinstance(value, ChunkText) else None


def as_document(value: Any) -> dict[str, Any] | None:
    """A stored document, or None; PyMongo turns some into references."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    return value.as_doc() if isinstance(value, DBRef) else None
