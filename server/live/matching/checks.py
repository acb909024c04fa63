"""What a compiled part of a filter is: a predicate, and what it leaves open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Check", "Predicate", "all_of", "any_of", "negated", "open_question"]

Predicate = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Check:
    """A predicate over documents or values.

    Attributes:
        holds: False means that the part does not match.
        asks: Why only MongoDB can say whether the part matches what `holds` lets through; None
            where `holds` says it.
    """

    holds: Predicate
    asks: str | None = None


def open_question(reason: str) -> Check:
    """A part of which nothing can be said."""
    return Check(_always, reason)


def _always(_: Any) -> bool:
    return True


def all_of(checks: Sequence[Check]) -> Check:
    """Holds where every one of `checks` does."""
    asks = next((check.asks for check in checks if check.asks is not None), None)
    tests = tuple(check.holds for check in checks if check.holds is not _always)
    if len(tests) < 2:
        return Check(tests[0] if tests else _always, asks)
    if len(tests) == 2:
        one, other = tests
        return Check(lambda value: one(value) and other(value), asks)

    def holds(value: Any) -> bool:
        for test in tests:  # noqa: SIM110  # all() with a generator takes twice as long
            if not test(value):
                return False
        return True

    return Check(holds, asks)


def any_of(checks: Sequence[Check]) -> Check:
    """Holds where one of `checks` does."""
    asks = next((check.asks for check in checks if check.asks is not None), None)
    tests = tuple(check.holds for check in checks)
    if len(tests) == 1:
        return checks[0]

    def holds(value: Any) -> bool:
        for test in tests:  # noqa: SIM110  # any() with a generator takes twice as long
            if test(value):
                return True
        return False

    return Check(holds, asks)


def negated(check: Check) -> Check:
    """Holds where `check` does not."""
    if check.asks is not None:
        return open_question(check.asks)
    test = check.holds
    return Check(lambda value: not test(value))
