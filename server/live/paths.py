"""Dotted paths through stored documents, as MongoDB walks them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

__all__ = ["MISSING", "leaves", "root", "touches"]


class _Missing:
    """The value of a field that is not there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


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
            yield from leaves(value[int(step)], rest)
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            if isinstance(item, Mapping):
                yield from leaves(item, steps)  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield MISSING


def root(path: str) -> str:
    """The top-level field that `path` begins with."""
    return path.partition(".")[0]


def touches(changed: Iterable[str], roots: frozenset[str]) -> bool:
    """Whether a change of the top-level fields `changed` can alter what lies under `roots`."""
    return not roots.isdisjoint(changed)
