"""Differences lead from one value to the next, and fewer operations lead there as well."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.wire.patch import Operation
from server.live.patching import diff, merge
from tests.sse import apply_patch

TEXTS = st.text("ab", max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc/~"), inner),
    max_leaves=8,
)
DOCUMENTS = st.fixed_dictionaries(
    {"_id": st.sampled_from("xyz"), "t": TEXTS}, optional={"v": VALUES}
)
RESULTS = st.lists(DOCUMENTS, max_size=3, unique_by=lambda one: one["_id"]) | VALUES


@given(RESULTS, RESULTS)
def test_a_difference_leads_from_one_value_to_the_other(old: Any, new: Any) -> None:
    assert apply_patch(old, diff(old, new)) == new


@given(st.lists(RESULTS, min_size=2, max_size=6))
def test_merged_steps_lead_where_the_steps_lead(values: list[Any]) -> None:
    operations = [one for old, new in pairwise(values) for one in diff(old, new)]
    merged = merge(operations)
    assert apply_patch(values[0], merged) == values[-1]
    assert len(merged) <= len(operations)


def test_texts_that_grow_in_turn_are_one_append_each() -> None:
    steps: list[Operation] = [
        {"op": "append", "path": f"/{number % 3}/t", "value": str(number)} for number in range(9)
    ]
    assert merge(steps) == [
        {"op": "append", "path": "/0/t", "value": "036"},
        {"op": "append", "path": "/1/t", "value": "147"},
        {"op": "append", "path": "/2/t", "value": "258"},
    ]
    assert steps[0]["value"] == "0", "what the log keeps stays as it was"


def test_of_values_given_one_after_another_the_last_remains() -> None:
    steps: list[Operation] = [
        {"op": "replace", "path": "/0/rank", "value": 1},
        {"op": "append", "path": "/0/t", "value": "x"},
        {"op": "replace", "path": "/0/rank", "value": 2},
        {"op": "remove", "path": "/0"},
        {"op": "replace", "path": "/0/rank", "value": 3},
    ]
    assert merge(steps) == [
        {"op": "replace", "path": "/0/rank", "value": 2},
        {"op": "append", "path": "/0/t", "value": "x"},
        {"op": "remove", "path": "/0"},
        {"op": "replace", "path": "/0/rank", "value": 3},
    ]
