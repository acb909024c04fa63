"""What a slow reader has not been told is merged, and bounded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.client import limits
from server.client.patching import apply_patch
from server.client.pending import Pending
from server.client.results import Step
from server.live.patching import diff
from tests.client.test_patching import VALUES


@given(st.lists(st.tuples(VALUES, st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_whenever_it_is_taken_it_leads_to_the_value_of_then(moves: list[Any]) -> None:
    pending, told, value = Pending(), None, None
    for new, whole, taken in moves:
        patch = None if whole else diff(value, new)
        pending.add("q", Step(patch, changed=patch != []), 10)
        value = new
        if taken:
            changes = pending.take()
            if "q" in changes:
                said = changes["q"]
                told = value if said is None else apply_patch(told, said)
            assert told == value


def appended(count: int) -> Step:
    return Step([{"op": "append", "path": "", "value": "x"}] * count, changed=True)


def test_many_operations_become_a_snapshot() -> None:
    pending = Pending()
    pending.add("a", appended(limits.PENDING_OPERATIONS_MAX), 10)
    pending.add("b", appended(1), 10)
    pending.add("a", appended(1), 10)
    pending.add("a", appended(1), 10)
    changes = pending.take()
    assert changes["a"] is None
    assert changes["b"] is not None
    assert pending.take() == {}


def test_large_operations_become_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PENDING_BYTES_MAX", 100)
    pending = Pending()
    pending.add("a", appended(1), 100)
    assert pending.take()["a"] is not None
    pending.add("a", appended(1), 60)
    pending.add("b", appended(1), 60)
    assert pending.take() == {"a": None, "b": None}


def test_what_did_not_change_is_not_told() -> None:
    pending = Pending()
    pending.add("a", Step([], changed=False), 10)
    assert pending.take() == {}
