"""Filters and conditions, compiled: which paths lead where, and what is asked of the values there.

Source: the MongoDB manual, "Query and Projection Operators"; checked against a real mongod by
tests/live/test_matching_oracle.py.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, cast

from bson import DBRef, Decimal128

from server.live.matching.bits import BIT_OPERATORS, bits
from server.live.matching.bson_types import of_type
from server.live.matching.checks import Check, Predicate, all_of, any_of, negated, open_question
from server.live.matching.regex import is_regex, matches_regex, regex_of
from server.live.matching.values import compared, equal, has_size, modulo, one_of, present
from server.live.ordering import NotCompiled
from server.live.paths import MISSING, Unexpanded, as_document, as_items, leaves

__all__ = ["compile_document", "operators_of"]

_LITERAL: Final = ""
"""The operator of a condition that is none: equality, or a match where it is a regex."""

_ASKED: Final = frozenset({"$geoWithin", "$geoIntersects", "$within"})
_REFERENCE: Final = frozenset({"$ref", "$id", "$db"})
"""Names of a reference's fields; the others that begin with a dollar are operators."""

Lift = Callable[[Check, bool], Check]
"""Makes a test of one value a test of whatever has the value: a document, where a path leads to
it, or the value itself. The flag says whether an array's elements are tested as well."""


def compile_document(query: Mapping[str, Any], *, nested: bool = False) -> Check:
    """A filter. `nested`: it is one about the elements of an array."""
    return all_of([_clause(name, operand, nested) for name, operand in query.items()])


def _clause(name: str, operand: Any, nested: bool) -> Check:
    match name:
        case "$and" | "$or" | "$nor":
            branches = _branches(name, operand)
            checks = [compile_document(branch, nested=nested) for branch in branches]
            if name == "$and":
                return all_of(checks)
            if name == "$or":
                return any_of(checks)
            return all_of([negated(check) for check in checks])
        case "$comment":
            return all_of([])
        case "$expr" | "$jsonSchema":
            if nested and name == "$expr":
                raise NotCompiled("MongoDB refuses $expr inside of $elemMatch")
            return open_question(f"{name} is judged by MongoDB")
        case _ if name.startswith("$") and name not in _REFERENCE:
            raise NotCompiled(f"{name} is judged by MongoDB, and not of one document alone")
        case _:
            return _path(name, operand)


def _branches(name: str, operand: Any) -> list[dict[str, Any]]:
    branches = cast("list[Any]", operand) if isinstance(operand, list) else []
    documents = [one for one in map(as_document, branches) if one is not None]
    if not documents or len(documents) != len(branches):
        raise NotCompiled(f"MongoDB refuses a {name} that is no list of filters")
    return documents


def _path(path: str, condition: Any) -> Check:
    steps = tuple(path.split("."))
    check = _condition(condition, _lift_to(steps))
    if "" in steps or "\0" in path:
        return open_question(f"the path {path!r} is judged by MongoDB")
    return check


def _lift_to(steps: tuple[str, ...]) -> Lift:
    """Lifts tests of values to tests of documents in which a path leads to the values."""
    if len(steps) == 1:
        return lambda check, expanded: Check(_on_field(steps[0], check.holds, expanded), check.asks)
    return lambda check, expanded: Check(_on_path(steps, check.holds, expanded), check.asks)


def _on_field(name: str, test: Predicate, expanded: bool) -> Predicate:
    """The frequent case, for which no list of values is made."""

    def holds(document: Any) -> bool:
        value = document.get(name, MISSING)
        items = as_items(value) if expanded else None
        if items is None:
            return test(value)
        for item in items:  # any() with a generator takes twice as long
            if test(item):
                return True
        return test(value)

    return holds


def _on_path(steps: tuple[str, ...], test: Predicate, expanded: bool) -> Predicate:
    def holds(document: Any) -> bool:
        for value in leaves(document, steps):
            if test(value):
                return True
            items = as_items(value) if expanded else None
            if items is None or value.__class__ is Unexpanded:
                continue
            for item in items:
                if test(item):
                    return True
        return False

    return holds


def _on_itself(check: Check, _: bool) -> Check:
    return check


def operators_of(condition: Any) -> list[tuple[str, Any]]:
    """A condition as operators and their operands; `""` is the operator of a literal."""
    document = as_document(condition)
    first = next(iter(document), "") if document is not None else ""
    if document is None or not first.startswith("$") or first == "$ref":
        return [(_LITERAL, condition)]
    pairs = list(document.items())
    if "$regex" in document or "$options" in document:
        regex = regex_of(document)
        pairs = [pair for pair in pairs if pair[0] not in ("$regex", "$options")]
        pairs.append((_LITERAL, regex))
    return pairs


def _condition(condition: Any, lift: Lift) -> Check:
    return all_of([_operator(name, operand, lift) for name, operand in operators_of(condition)])


def _operator(name: str, operand: Any, lift: Lift) -> Check:
    match name:
        case "":
            literal = matches_regex(operand) if is_regex(operand) else equal(operand)
            return lift(literal, True)
        case "$eq":
            return lift(equal(operand), True)
        case "$ne":
            if is_regex(operand):
                raise NotCompiled("MongoDB refuses a regular expression in $ne")
            return negated(lift(equal(operand), True))
        case "$gt" | "$gte" | "$lt" | "$lte":
            return lift(compared(name, operand), True)
        case "$in":
            return lift(one_of(_members(name, operand)), True)
        case "$nin":
            return negated(lift(one_of(_members(name, operand)), True))
        case "$not":
            return negated(_negatable(operand, lift))
        case "$exists":
            exists = lift(Check(present), False)
            return exists if _is_true(operand) else negated(exists)
        case "$type":
            return lift(of_type(operand), True)
        case "$size":
            return lift(has_size(operand), False)
        case "$mod":
            return lift(modulo(operand), True)
        case "$all":
            return _all(_members(name, operand), lift)
        case "$elemMatch":
            return lift(_elem_match(operand), False)
        case _ if name in BIT_OPERATORS:
            return lift(bits(name, operand), True)
        case _ if name in _ASKED:
            return open_question(f"{name} is judged by MongoDB")
        case _:
            raise NotCompiled(f"{name} is judged by MongoDB, and not of one document alone")


def _members(name: str, operand: Any) -> list[Any]:
    if not isinstance(operand, list):
        raise NotCompiled(f"MongoDB refuses a {name} that is no list")
    return cast("list[Any]", operand)


def _is_true(operand: Any) -> bool:
    if isinstance(operand, Decimal128):
        number: Decimal = operand.to_decimal()
        return number.is_nan() or number != 0
    return operand is not None and (not isinstance(operand, int | float) or operand != 0)


def _negatable(operand: Any, lift: Lift) -> Check:
    if is_regex(operand):
        return lift(matches_regex(operand), True)
    pairs = operators_of(operand)
    if not pairs or (pairs[0][0] == _LITERAL and not is_regex(pairs[0][1])):
        raise NotCompiled("MongoDB refuses a $not of anything but operators")
    return all_of([_operator(*pair, lift) for pair in pairs])


def _all(members: list[Any], lift: Lift) -> Check:
    """Each member is matched by some value; of no members nothing is."""
    if not members:
        return Check(lambda _: False)
    if _first_name(members[0]) == "$elemMatch":
        if any(_first_name(member) != "$elemMatch" for member in members):
            raise NotCompiled("MongoDB refuses a $all where only some members are $elemMatch")
        return all_of([lift(_elem_match(member["$elemMatch"]), False) for member in members])
    if any(_first_name(member).startswith("$") for member in members):
        raise NotCompiled("MongoDB refuses an operator in $all")
    return all_of([_operator(_LITERAL, member, lift) for member in members])


def _first_name(member: Any) -> str:
    """The first name of a document that is no reference."""
    return "" if not isinstance(member, Mapping) else str(next(iter(member), ""))  # pyright: ignore[reportUnknownArgumentType]


def _elem_match(operand: Any) -> Check:
    """Some element of an array satisfies everything at once."""
    condition = operand.as_doc() if isinstance(operand, DBRef) else as_document(operand)
    if condition is None:
        raise NotCompiled("MongoDB refuses a $elemMatch that is no document")
    first = next(iter(condition), "")
    about_documents = first in {"$and", "$or", "$nor", "$where", *_REFERENCE}
    if first.startswith("$") and not about_documents:
        element = _condition(condition, _on_itself)
        test = element.holds
    else:
        element = compile_document(condition, nested=True)
        test = _on_element(element.holds)

    def holds(value: Any) -> bool:
        return any(map(test, as_items(value) or ()))

    return Check(holds, element.asks)


def _on_element(test: Predicate) -> Predicate:
    def holds(item: Any) -> bool:
        document = _element(item)
        return document is not None and test(document)

    return holds


def _element(item: Any) -> Mapping[str, Any] | None:
    """An element as a document: an array counts as a document of its indexes."""
    items = as_items(item)
    if items is None:
        return as_document(item)
    return {str(index): one for index, one in enumerate(items)}
