"""A filter of MongoDB's language, compiled to a predicate over stored documents.

What this does not compile is not guessed: `compile_filter` raises `NotCompiled` with the reason,
and the live query asks MongoDB instead.

Source: the MongoDB manual, "Query and Projection Operators"; checked against a real mongod by
tests/live/test_matching_oracle.py.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from bson import Decimal128

from server.live.ordering import NAN_KEY, Key, NotCompiled, bson_key
from server.live.paths import MISSING, Unexpanded, leaves
from server.live.text import ChunkText

__all__ = ["Matcher", "NotCompiled", "compile_filter", "filter_paths"]

Predicate = Callable[[Any], bool]


@dataclass(frozen=True)
class Matcher:
    """A compiled filter.

    Attributes:
        matches: Whether a stored document matches.
        roots: The top-level fields that the answer depends on.
        equalities: Path to the keys of the values of which the path must hold one; every match
            satisfies all of them, so any one can serve to route changes.
    """

    matches: Callable[[Mapping[str, Any]], bool]
    roots: frozenset[str]
    equalities: Mapping[str, frozenset[Key]]


def compile_filter(query: Mapping[str, Any]) -> Matcher:
    """Compile `query`.

    Raises:
        NotCompiled: It contains something that only MongoDB can judge.
    """
    equalities: dict[str, frozenset[Key]] = {}
    matches = _document(query, equalities)
    roots = frozenset(path.partition(".")[0] for path in filter_paths(query))
    return Matcher(matches, roots, equalities)


def filter_paths(query: Mapping[str, Any]) -> set[str]:
    """Every path that `query` names, under logical operators too."""
    paths: set[str] = set()
    for name, operand in query.items():
        if name in {"$and", "$or", "$nor"} and isinstance(operand, list):
            for branch in cast("list[Any]", operand):
                if isinstance(branch, Mapping):
                    paths |= filter_paths(cast("Mapping[str, Any]", branch))
        elif not name.startswith("$"):
            paths.add(name)
    return paths


def _document(query: Mapping[str, Any], equalities: dict[str, frozenset[Key]]) -> Predicate:
    tests: list[Predicate] = []
    for name, operand in query.items():
        if name == "$and":
            tests += [_document(branch, equalities) for branch in _branches(name, operand)]
        elif name == "$or":
            tests.append(_any_of([_document(branch, {}) for branch in _branches(name, operand)]))
        elif name == "$nor":
            tests.append(_none_of([_document(branch, {}) for branch in _branches(name, operand)]))
        elif name == "$comment":
            continue
        elif name.startswith("$"):
            raise NotCompiled(f"{name} is judged by MongoDB")
        else:
            tests.append(_path(name, operand, equalities))
    if len(tests) == 1:
        return tests[0]
    return lambda document: all(test(document) for test in tests)


def _branches(name: str, operand: Any) -> list[Mapping[str, Any]]:
    if not isinstance(operand, list) or not operand:
        raise NotCompiled(f"{name} wants a non-empty list")
    return cast("list[Mapping[str, Any]]", operand)


def _any_of(tests: list[Predicate]) -> Predicate:
    return lambda document: any(test(document) for test in tests)


def _none_of(tests: list[Predicate]) -> Predicate:
    return lambda document: not any(test(document) for test in tests)


def _path(path: str, condition: Any, equalities: dict[str, frozenset[Key]]) -> Predicate:
    steps = tuple(path.split("."))
    tests: list[Predicate] = []
    for operator, operand in _operators(condition):
        if operator == "$eq" and operand is not None:
            equalities[path] = frozenset([bson_key(operand)])
        elif operator == "$in" and path not in equalities and None not in (operand or [None]):
            equalities[path] = frozenset(bson_key(one) for one in cast("list[Any]", operand))
        tests.append(_on_values(steps, operator, operand))
    if len(tests) == 1:
        return tests[0]
    return lambda document: all(test(document) for test in tests)


def _operators(condition: Any) -> list[tuple[str, Any]]:
    """A condition as operators: a literal is an ``$eq``."""
    if isinstance(condition, Mapping):
        pairs: list[tuple[str, Any]] = list(cast("Mapping[str, Any]", condition).items())
        if pairs and pairs[0][0].startswith("$"):
            return pairs
    return [("$eq", condition)]


def _on_values(steps: tuple[str, ...], operator: str, operand: Any) -> Predicate:
    """The test of one operator on the values that a path reaches."""
    match operator:
        case "$ne":
            return _negated(_on_values(steps, "$eq", operand))
        case "$nin":
            return _negated(_on_values(steps, "$in", operand))
        case "$not":
            if not isinstance(operand, Mapping):
                raise NotCompiled("$not with a regular expression is judged by MongoDB")
            tests = [_on_values(steps, *one) for one in _operators(operand)]
            return _negated(lambda document: all(test(document) for test in tests))
        case "$exists":
            wanted = bool(operand)
            return lambda document: (
                any(value is not MISSING for value in leaves(document, steps)) is wanted
            )
        case "$elemMatch":
            return _elem_match(steps, operand)
        case "$size":
            return lambda document: any(
                isinstance(value, list | ChunkText) and len(_items(value)) == operand
                for value in leaves(document, steps)
            )
        case "$all":
            return _all(steps, operand)
        case _:
            test = _on_value(operator, operand)
            return lambda document: any(
                test(one) for value in leaves(document, steps) for one in _expanded(value)
            )


def _negated(test: Predicate) -> Predicate:
    return lambda document: not test(document)


def _items(value: Any) -> list[Any]:
    return value.chunks() if isinstance(value, ChunkText) else cast("list[Any]", value)


def _expanded(value: Any) -> list[Any]:
    """A value and, of an array, its elements: an operator matches where any of them does."""
    if isinstance(value, list | ChunkText) and not isinstance(value, Unexpanded):
        items = _items(value)
        return [*items, items]
    return [value]


def _on_value(operator: str, operand: Any) -> Predicate:
    """The test of one operator on one value."""
    if _is_regex(operand) or (operator in {"$in"} and any(map(_is_regex, operand))):
        raise NotCompiled("a regular expression is judged by MongoDB")
    match operator:
        case "$eq":
            wanted = bson_key(operand)
            return lambda value: bson_key(value) == wanted
        case "$in":
            keys = {bson_key(one) for one in operand}
            return lambda value: bson_key(value) in keys
        case "$gt" | "$gte" | "$lt" | "$lte":
            return _range(operator, operand)
        case "$mod":
            return _modulo(*(int(part) for part in operand))
        case _:
            raise NotCompiled(f"{operator} is judged by MongoDB")


def _is_regex(value: Any) -> bool:
    return hasattr(value, "pattern") and hasattr(value, "flags")


def _integer(value: Any) -> int | None:
    """A finite number, cut to an integer as ``$mod`` does."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return int(value) if math.isfinite(value) else None


def _range(operator: str, operand: Any) -> Predicate:
    """An order comparison; only values of the operand's own type can satisfy it."""
    bound = bson_key(operand)
    if len(bound) == 1 and operand is not None:
        raise NotCompiled(f"{operator} with a least or greatest key is judged by MongoDB")
    or_equal = operator in {"$gte", "$lte"}
    if operand is None or bound == NAN_KEY:  # nothing is beyond them
        return lambda value: or_equal and bson_key(value) == bound
    greater = operator in {"$gt", "$gte"}

    def test(value: Any) -> bool:
        if value is MISSING:
            return False
        key = bson_key(value)
        if key[0] != bound[0] or key == NAN_KEY:
            return False
        if key == bound:
            return or_equal
        return key > bound if greater else key < bound

    return test


def _modulo(divisor: int, remainder: int) -> Predicate:
    """Truncated division, as in C: the remainder has the sign of the value."""

    def test(value: Any) -> bool:
        number = _integer(value)
        if number is None:
            return False
        rest = abs(number) % abs(divisor)
        return (rest if number >= 0 else -rest) == remainder

    return test


def _elem_match(steps: tuple[str, ...], operand: Any) -> Predicate:
    condition = cast("Mapping[str, Any]", operand)
    if any(name.startswith("$") and name not in {"$and", "$or", "$nor"} for name in condition):
        tests = [_on_value(*one) for one in _operators(condition)]
        element: Predicate = lambda item: all(test(item) for test in tests)  # noqa: E731  # one of two
    else:
        inner = _document(condition, {})
        element = lambda item: (document := _as_document(item)) is not None and inner(document)  # noqa: E731  # the other
    return lambda document: any(
        isinstance(value, list | ChunkText) and any(element(item) for item in _items(value))
        for value in leaves(document, steps)
    )


def _as_document(item: Any) -> Mapping[str, Any] | None:
    """An element for an object match: an array counts as a document of its indexes."""
    if isinstance(item, list | ChunkText):
        return {str(index): one for index, one in enumerate(_items(item))}
    return cast("Mapping[str, Any]", item) if isinstance(item, Mapping) else None


def _all(steps: tuple[str, ...], operand: Any) -> Predicate:
    members = cast("list[Any]", operand)
    if not members:
        return lambda _: False
    tests: list[Predicate] = []
    for member in members:
        if isinstance(member, Mapping) and "$elemMatch" in member:
            tests.append(_elem_match(steps, member["$elemMatch"]))
        else:
            tests.append(_on_values(steps, "$eq", member))
    return lambda document: all(test(document) for test in tests)
