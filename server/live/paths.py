"""Dotted paths through stored documents, as MongoDB walks them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["MISSING", "Unexpanded", "leaves", "sort_leaves"]


class _Missing:
    """The value of a field that is not there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Unexpanded(list[Any]):
    """An array that a path named by its index: it is compared whole, not by its elements."""


def leaves(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """Every value that the path reaches in `value`; arrays on the way are entered.

    A document that lacks a step gives `MISSING`; so does a scalar where a document was wanted,
    but not inside an array. A numeric step is an index of an array, a key of a document.
    """
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, Mapping):
        yield from leaves(value[step], rest) if step in value else (MISSING,)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        if step.isdigit() and int(step) < len(value):  # pyright: ignore[reportUnknownArgumentType]
            item = value[int(step)]  # pyright: ignore[reportUnknownVariableType]
            if not rest and isinstance(item, list):
                yield Unexpanded(item)  # pyright: ignore[reportUnknownArgumentType]
            elif not rest or isinstance(item, Mapping | list):
                yield from leaves(item, rest)
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            if isinstance(item, Mapping):
                yield from leaves(item, steps)  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield MISSING


def sort_leaves(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """The same for sorting, where whatever is no document inside an array counts as missing."""
    if not steps:
        yield value
    elif isinstance(value, Mapping):
        yield from sort_leaves(value.get(steps[0], MISSING), steps[1:])  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    elif isinstance(value, list) and value:
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from sort_leaves(item, steps) if isinstance(item, Mapping) else (MISSING,)  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield MISSING
