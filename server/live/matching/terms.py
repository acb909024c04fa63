"""What every match of a filter has: values by which the matches can be found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from server.live.keys import MAX_KEY, MIN_KEY, NAN_KEY, NULL_KEY, Key, bson_key
from server.live.matching.conditions import operators_of
from server.live.matching.regex import is_regex
from server.live.paths import as_document

__all__ = ["Range", "Terms", "terms_of"]

_BOUNDLESS: Final = (NULL_KEY, NAN_KEY, MIN_KEY, MAX_KEY)


@dataclass(frozen=True, slots=True)
class Range:
    """Keys between two ends, both of them included.

    An open end lies at the border of the type, because a comparison never leaves it. None stands
    for no end at all.

    Attributes:
        low: The least key.
        high: The greatest key. Of an array one element may satisfy `low` and another `high`, so
            `low` can be the greater of the two.
    """

    low: Key | None
    high: Key | None


@dataclass(slots=True)
class Terms:
    """Every match satisfies all of them, so any one can serve to find the matches.

    Attributes:
        equalities: Path to keys, one of which the path reaches: as its value, or as an element of
            an array that is its value.
        ranges: Path to a range: the path reaches a key from `low` on, and one up to `high`.
    """

    equalities: dict[str, frozenset[Key]] = field(default_factory=dict[str, frozenset[Key]])
    ranges: dict[str, Range] = field(default_factory=dict[str, Range])

    def add(self, other: "Terms") -> None:
        """What satisfies these terms satisfies `other` as well."""
        for path, keys in other.equalities.items():
            known = self.equalities.get(path)
            if known is None or len(keys) < len(known):
                self.equalities[path] = keys
        for path, one in other.ranges.items():
            known = self.ranges.get(path, Range(None, None))
            lows = [end for end in (known.low, one.low) if end is not None]
            highs = [end for end in (known.high, one.high) if end is not None]
            self.ranges[path] = Range(max(lows, default=None), min(highs, default=None))


def terms_of(query: Mapping[str, Any]) -> Terms:
    """The terms of a filter that compiles."""
    terms = Terms()
    for name, operand in query.items():
        if name in ("$and", "$or"):
            branches = [terms_of(document) for document in map(as_document, operand) if document]
            if name == "$or":
                terms.add(_either(branches if len(branches) == len(operand) else []))
            else:
                for branch in branches:
                    terms.add(branch)
        elif not name.startswith("$"):
            _add_conditions(terms, name, operators_of(operand))
    return terms


def _either(branches: list[Terms]) -> Terms:
    """What is common to all branches, one of which a match satisfies."""
    terms = Terms()
    if not branches:
        return terms
    first, *others = branches
    for path, keys in first.equalities.items():
        if all(path in other.equalities for other in others):
            terms.equalities[path] = keys.union(*(other.equalities[path] for other in others))
    for path in first.ranges:
        ranges = [branch.ranges[path] for branch in branches if path in branch.ranges]
        if len(ranges) == len(branches):
            lows = [one.low for one in ranges if one.low is not None]
            highs = [one.high for one in ranges if one.high is not None]
            terms.ranges[path] = Range(
                min(lows) if len(lows) == len(ranges) else None,
                max(highs) if len(highs) == len(ranges) else None,
            )
    return terms


def _add_conditions(terms: Terms, path: str, pairs: Iterable[tuple[str, Any]]) -> None:
    for name, operand in pairs:
        one = Terms()
        match name:
            case "" if is_regex(operand):
                continue
            case "" | "$eq":
                _equal(one, path, [operand])
            case "$in":
                if not any(is_regex(member) for member in operand):
                    _equal(one, path, operand)
            case "$gt" | "$gte" | "$lt" | "$lte":
                _compare(one, path, name, operand)
            case "$all":
                for member in operand:
                    first = next(iter(as_document(member) or ()), "")
                    if first == "$elemMatch":
                        _elem_match(one, path, member["$elemMatch"])
                    elif not is_regex(member):
                        _equal(one, path, [member])
            case "$elemMatch":
                _elem_match(one, path, operand)
            case _:
                continue
        terms.add(one)


def _equal(terms: Terms, path: str, operands: list[Any]) -> None:
    """Null is equal to nothing at all, which has no key everywhere; of nothing, nothing is."""
    if operands and None not in operands:
        terms.add(Terms({path: frozenset(map(bson_key, operands))}))


def _compare(terms: Terms, path: str, name: str, operand: Any) -> None:
    key = bson_key(operand)
    if key in _BOUNDLESS:
        return
    rank = key[0]
    above = name in ("$gt", "$gte")
    terms.add(Terms(ranges={path: Range(key, (rank + 1,)) if above else Range((rank,), key)}))


def _elem_match(terms: Terms, path: str, operand: Any) -> None:
    """An element has the terms; those of a document in it lie one step further on."""
    condition = cast("Mapping[str, Any]", as_document(operand))
    first = next(iter(condition), "")
    if first.startswith("$") and first not in ("$and", "$or", "$nor", "$ref", "$id", "$db"):
        pairs = [pair for pair in operators_of(condition) if pair[0] != "$elemMatch"]
        _add_conditions(terms, path, pairs)
        return
    inner = terms_of(condition)
    terms.add(
        Terms(
            {f"{path}.{name}": keys for name, keys in inner.equalities.items() if _named(name)},
            {f"{path}.{name}": one for name, one in inner.ranges.items() if _named(name)},
        )
    )


def _named(path: str) -> bool:
    """Whether a path begins with a name, where a number could count into an array."""
    return not path[:1].isdigit()
