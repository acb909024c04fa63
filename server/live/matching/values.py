"""The tests that one operator makes of one value: equality, order, membership, remainder."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128, Int64, ObjectId

from server.live.keys import MAX_KEY, MIN_KEY, NAN_KEY, NULL_KEY, bson_key
from server.live.matching.checks import Check, any_of
from server.live.matching.regex import is_regex, matches_regex
from server.live.ordering import NotCompiled
from server.live.paths import MISSING, as_items

__all__ = ["compared", "equal", "has_size", "integer_of", "modulo", "one_of", "present"]

INT64_MIN: Final = -(2**63)

_NUMBERS: Final[frozenset[type]] = frozenset([int, float, Int64])
_PLAIN: Final[frozenset[type]] = frozenset([str, bool, ObjectId])

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def present(value: Any) -> bool:
    """Whether there is a value."""
    return value is not MISSING


def equal(operand: Any) -> Check:
    """``$eq``: a regular expression is a value here like any other."""
    wanted, kinds = bson_key(operand), _plain_kinds(operand)
    if not kinds:
        return Check(lambda value: bson_key(value) == wanted)

    def holds(value: Any) -> bool:
        return value == operand if value.__class__ in kinds else bson_key(value) == wanted

    return Check(holds)


def one_of(operands: Sequence[Any]) -> Check:
    """``$in``: equal to one of `operands`, or matched by a regular expression among them."""
    if any(_is_expression(one) for one in operands):
        raise NotCompiled("MongoDB refuses an operator in $in")
    checks = [matches_regex(one) for one in operands if is_regex(one)]
    literals = [one for one in operands if not is_regex(one)]
    if literals and all(one.__class__ is str for one in literals):
        texts = frozenset(literals)
        checks.append(Check(lambda value: value.__class__ is str and value in texts))
    else:
        keys = frozenset(map(bson_key, literals))
        checks.append(Check(lambda value: bson_key(value) in keys))
    return any_of(checks)


def _is_expression(operand: Any) -> bool:
    return isinstance(operand, Mapping) and str(next(iter(operand), "")).startswith("$")  # pyright: ignore[reportUnknownArgumentType]


def compared(name: str, operand: Any) -> Check:
    """``$gt``, ``$gte``, ``$lt``, ``$lte``: only values of the operand's own type satisfy them."""
    if is_regex(operand):
        raise NotCompiled(f"MongoDB refuses a regular expression in {name}")
    bound = bson_key(operand)
    or_equal = name in {"$gte", "$lte"}
    if bound in (NULL_KEY, NAN_KEY):  # nothing is beyond them
        return Check(lambda value: or_equal and bson_key(value) == bound)
    if bound in (MIN_KEY, MAX_KEY):  # everything is on one side of them, a missing value too
        beyond = name in ({"$gt", "$gte"} if bound == MIN_KEY else {"$lt", "$lte"})
        return Check(lambda value: or_equal if bson_key(value) == bound else beyond)
    compare, rank, kinds = _COMPARISONS[name], bound[0], _plain_kinds(operand)

    def holds(value: Any) -> bool:
        if value.__class__ in kinds:
            return compare(value, operand)
        key = bson_key(value)
        return key[0] == rank and key != NAN_KEY and compare(key, bound)

    return Check(holds)


def _plain_kinds(operand: Any) -> frozenset[type]:
    """The classes whose values Python compares to `operand` as MongoDB does, without keys."""
    kind: type = operand.__class__
    if kind in _NUMBERS:
        return _NUMBERS if bson_key(operand) != NAN_KEY else frozenset()
    return frozenset([kind]) if kind in _PLAIN else frozenset()


def has_size(operand: Any) -> Check:
    """``$size``."""
    wanted = integer_of(operand)
    if wanted is None or wanted < 0 or wanted != bson_key(operand)[2]:
        raise NotCompiled("MongoDB refuses a $size that is no whole number from 0 on")

    def holds(value: Any) -> bool:
        items = as_items(value)
        return items is not None and len(items) == wanted

    return Check(holds)


def modulo(operand: Any) -> Check:
    """``$mod``: division is truncated as in C, the remainder has the sign of the value."""
    if not isinstance(operand, list) or len(operand) != 2:  # pyright: ignore[reportUnknownArgumentType]
        raise NotCompiled("MongoDB refuses a $mod that is no list of two numbers")
    divisor, remainder = integer_of(operand[0]), integer_of(operand[1])
    if not divisor or remainder is None:
        raise NotCompiled("MongoDB refuses a $mod whose numbers are not whole, or divide by 0")
    size = abs(divisor)

    def holds(value: Any) -> bool:
        number = value if value.__class__ is int else integer_of(value)
        if number is None:
            return False
        rest = abs(number) % size
        return (rest if number >= 0 else -rest) == remainder

    return Check(holds)


def integer_of(value: Any) -> int | None:
    """A number cut to a 64-bit integer, as MongoDB does; None where it cannot be."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
        if not value.is_finite():
            return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    number = int(value)
    return number if INT64_MIN <= number < -INT64_MIN else None
