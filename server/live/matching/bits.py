"""The tests that ``$bitsAllSet`` and its kin make of one value."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN
from typing import Any, Final, cast

from bson import Binary, Decimal128

from server.live.matching.checks import Check
from server.live.matching.values import integer_of
from server.live.ordering import NotCompiled

__all__ = ["BIT_OPERATORS", "bits"]

_SIGN_BIT: Final = 63
_INT64: Final = 1 << 64

BIT_OPERATORS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "$bitsAllSet": lambda value, mask: value & mask == mask,
    "$bitsAnySet": lambda value, mask: value & mask != 0,
    "$bitsAllClear": lambda value, mask: value & mask == 0,
    "$bitsAnyClear": lambda value, mask: value & mask != mask,
}
"""Each as a test of a value's bits and the mask, both non-negative integers."""


def bits(name: str, operand: Any) -> Check:
    """One of `BIT_OPERATORS`. The operand is a mask, binary data or a list of positions."""
    mask, test = _mask(name, operand), BIT_OPERATORS[name]
    # A number's sign goes on for ever, so all positions beyond it are the same bit.
    low = mask & (_INT64 - 1)
    number_mask = low | (1 << _SIGN_BIT) if mask >= _INT64 else low

    def holds(value: Any) -> bool:
        data = _data_of(value)
        if data is not None:
            return test(int.from_bytes(data, "little"), mask)
        number = _number_of(value)
        return number is not None and test(number % _INT64, number_mask)

    return Check(holds)


def _mask(name: str, operand: Any) -> int:
    data = _data_of(operand)
    if data is not None:
        return int.from_bytes(data, "little")
    if isinstance(operand, list):
        mask = 0
        for one in cast("list[Any]", operand):
            position = _whole(one)
            if position is None or position >= 2**31:
                raise NotCompiled(f"MongoDB refuses a position in {name} that is no whole number")
            mask |= 1 << min(position, 1 << 16)
        return mask
    mask = _whole(operand)
    if mask is None:
        raise NotCompiled(f"MongoDB refuses a mask in {name} that is no whole number from 0 on")
    return mask


def _whole(operand: Any) -> int | None:
    number = integer_of(operand)
    exact = operand.to_decimal() if isinstance(operand, Decimal128) else operand
    return number if number is not None and number >= 0 and number == exact else None


def _data_of(value: Any) -> bytes | None:
    """Binary data; the old subtype 2 has its length in front."""
    if isinstance(value, Binary) and value.subtype == 2:
        return len(value).to_bytes(4, "little") + bytes(value)
    return bytes(value) if isinstance(value, bytes) else None


def _number_of(value: Any) -> int | None:
    """A number as 64 bits. Fractions are rounded in decimals, and excluded in doubles."""
    if isinstance(value, Decimal128):
        decimal = value.to_decimal()
        if not decimal.is_finite() or decimal.adjusted() > 20:
            return -(1 << _SIGN_BIT)
        number = int(decimal.to_integral_value(ROUND_HALF_EVEN))
        return number if integer_of(number) is not None else -(1 << _SIGN_BIT)
    if isinstance(value, float) and not value.is_integer():
        return None
    return integer_of(value)
