"""A sort of MongoDB's language, compiled to keys that order documents as MongoDB orders them.

Where a path leads through an array a document has a key for each element, and is placed by the
least of them.

Source: MongoDB's index keys, of which its sort keys are the least; checked against a real mongod
by tests/live/test_matching_oracle.py.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from server.live.keys import NAN_KEY, NULL_KEY, UNDEFINED_KEY, Key, bson_key
from server.live.paths import MISSING, as_document, as_items, index_of

__all__ = [
    "NAN_KEY",
    "Key",
    "NotCompiled",
    "Order",
    "Sort",
    "Unsortable",
    "bson_key",
    "compile_sort",
    "total_sort",
]

Sort = Sequence[tuple[str, int]]

Order = Callable[[Mapping[str, Any]], Key]
"""From a stored document to its sort key."""


class NotCompiled(Exception):
    """A filter or sort says something that only MongoDB can judge; the message names it."""


class Unsortable(Exception):
    """MongoDB refuses to sort the document.

    Two paths of the order lead to arrays side by side, or a number in one of them is both an
    index of an array and the name of a field in one of its elements.
    """


class _Reversed:
    """A key that orders the other way round."""

    __slots__ = ("key",)

    def __init__(self, key: Key) -> None:
        self.key = key

    def __lt__(self, other: "_Reversed") -> bool:
        return other.key < self.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.key == other.key

    __hash__ = None  # type: ignore[assignment]  # compared, never a key


def total_sort(sort: Sort) -> list[tuple[str, int]]:
    """`sort` with ``_id`` at its end, so that no two documents are equal in it."""
    fields = list(sort)
    if any(path == "_id" for path, _ in fields):
        return fields
    direction = fields[-1][1] if fields else 1
    return [*fields, ("_id", direction)]


def compile_sort(sort: Sort) -> Order:
    """A function that gives each document's key under `sort`, which must be total.

    The function raises `Unsortable` of a document that MongoDB would refuse.

    Raises:
        NotCompiled: A path is one that only MongoDB can follow.
    """
    if any("" in path.split(".") for path, _ in sort):
        raise NotCompiled("a sort path with an empty step in it is judged by MongoDB")
    paths = [tuple(path.split(".")) for path, _ in sort]
    simple = all(len(steps) == 1 for steps in paths)
    names = [(path, direction > 0) for path, direction in sort]

    def directed(keys: Sequence[Key]) -> Key:
        return tuple(
            key if ascending else _Reversed(key)
            for key, (_, ascending) in zip(keys, names, strict=True)
        )

    def least(document: Mapping[str, Any]) -> Key:
        places = [_follow(document, steps) for steps in paths]
        return min(map(directed, _index_keys(places)))

    if not simple:
        return least

    def order(document: Mapping[str, Any]) -> Key:
        found: list[Any] = []
        for name, ascending in names:
            value = document.get(name, MISSING)
            if as_items(value) is not None:
                return least(document)
            key = bson_key(value)
            found.append(key if ascending else _Reversed(key))
        return tuple(found)

    return order


_Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a path led.

    Attributes:
        value: What is there.
        open: Whether it is an array that has yet to be gone through.
        rest: The steps that lead on from an open array.
        whole: Whether the open array was named by its index, and so stays one value.
    """

    value: Any
    open: bool = False
    rest: _Steps = ()
    whole: bool = False


def _follow(value: Any, steps: _Steps) -> _Place:
    """Along the steps as far as there is no array."""
    while steps:
        document = as_document(value)
        if document is None:
            return _Place(value, True, steps) if as_items(value) is not None else _Place(MISSING)
        value, steps = document.get(steps[0], MISSING), steps[1:]
    return _Place(value, as_items(value) is not None)


def _index_keys(places: Sequence[_Place]) -> Iterator[list[Key]]:
    """The keys that an index over the paths has: one for each element of an array on the way."""
    through = [place for place in places if place.open]
    if not through:
        yield [bson_key(place.value) for place in places]
        return
    array = through[0].value
    if any(place.value is not array for place in through):
        raise Unsortable  # no index spans two arrays side by side
    items = as_items(array) or []
    if not items:
        yield [_key_in_nothing(place) for place in places]
        return
    whole = any(place.whole for place in through)
    named = [_named(place, items) for place in places]
    for item in items:
        yield from _index_keys(
            [
                _in_element(place, item, by_index, array if whole else item)
                for place, by_index in zip(places, named, strict=True)
            ]
        )


def _key_in_nothing(place: _Place) -> Key:
    if not place.open:
        return bson_key(place.value)
    return NULL_KEY if place.rest else UNDEFINED_KEY


def _named(place: _Place, items: list[Any]) -> _Place | None:
    """Where a path leads that names one of the elements."""
    index = index_of(place.rest[0], len(items)) if place.rest else None
    if index is None:
        return None
    found = _follow(items[index], place.rest[1:])
    return replace(found, whole=as_items(items[index]) is not None)


def _in_element(place: _Place, item: Any, named: _Place | None, value: Any) -> _Place:
    """Where a path leads in one element of an array; `value` stands for the element itself."""
    if not place.open:
        return place
    if not place.rest:
        return _Place(value)
    document = as_document(item)
    if named is not None:
        if document is not None and place.rest[0] in document:
            raise Unsortable
        return named
    return _Place(MISSING) if document is None else _follow(document, place.rest)
