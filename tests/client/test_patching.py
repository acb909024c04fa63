"""Patches applied by the client: the value that the server meant, and all that is old shared."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.client.patching import PatchError, apply_patch
from server.live.patching import diff
from tests.sse import apply_patch as other_apply_patch

KEYS = st.sampled_from(["a", "b/c", "~d", "", "_id", "0", "-"])
SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.lists(
    st.fixed_dictionaries({"_id": st.sampled_from("pqrstu"), "v": VALUES}),
    max_size=6,
    unique_by=lambda one: one["_id"],
)


def objects(value: Any) -> list[Any]:
    """The containers in `value`, itself included."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(one for child in inner for one in objects(child))]


@given(VALUES | DOCUMENTS, VALUES | DOCUMENTS)
def test_a_patch_leads_to_the_value_that_the_server_meant(old: Any, new: Any) -> None:
    patch = diff(old, new)
    before, said = copy.deepcopy(old), copy.deepcopy(patch)
    found = apply_patch(old, patch)
    assert repr(found) == repr(other_apply_patch(old, patch))  # where true is not 1
    assert found == new
    assert repr(old) == repr(before), "the value before is never modified"
    assert repr(patch) == repr(said), "nor is the patch"


def test_what_a_patch_does_not_touch_is_the_same_object() -> None:
    old = [{"_id": "a", "parts": [{"text": "x"}, {"text": "y"}]}, {"_id": "b", "tags": ["t"]}]
    new = apply_patch(
        old,
        [
            {"op": "append", "path": "/0/parts/1/text", "value": "z"},
            {"op": "move", "from": "/1", "path": "/0"},
        ],
    )
    assert new == [
        {"_id": "b", "tags": ["t"]},
        {"_id": "a", "parts": [{"text": "x"}, {"text": "yz"}]},
    ]
    assert new[0] is old[1]
    assert new[1]["parts"][0] is old[0]["parts"][0]
    assert apply_patch(old, []) is old


def test_a_value_that_came_with_a_patch_is_not_modified_by_the_rest_of_it() -> None:
    added = {"list": [1]}
    patch = [
        {"op": "add", "path": "/-", "value": added},
        {"op": "add", "path": "/0/list/-", "value": 2},
    ]
    assert apply_patch([], patch) == [{"list": [1, 2]}]
    assert added == {"list": [1]}


@pytest.mark.parametrize(
    "operation",
    [
        None,
        [],
        {},
        {"op": "add"},
        {"op": "add", "path": "/list/0"},
        {"op": "add", "path": "list", "value": 1},
        {"op": "add", "path": 7, "value": 1},
        {"op": "add", "path": "/list/3", "value": 1},
        {"op": "add", "path": "/list/-1", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/list/٣", "value": 1},
        {"op": "add", "path": "/list/99999999999999999999", "value": 1},
        {"op": "add", "path": "/none/x", "value": 1},
        {"op": "add", "path": "/text/x", "value": 1},
        {"op": "add", "path": "/~2", "value": 1},
        {"op": "remove", "path": ""},
        {"op": "remove", "path": "/none"},
        {"op": "remove", "path": "/list/2"},
        {"op": "remove", "path": "/list/-"},
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "replace", "path": "/text"},
        {"op": "append", "path": "/list", "value": "x"},
        {"op": "append", "path": "/text", "value": 1},
        {"op": "move", "path": "/list/0"},
        {"op": "move", "from": "/none", "path": "/list/0"},
        {"op": "move", "from": "/list", "path": "/list/0"},
        {"op": "copy", "from": "/text", "path": "/other"},
        {"op": "test", "path": "/text", "value": "x"},
        {"op": {"a": 1}, "path": "/text", "value": "x"},
    ],
)
def test_a_patch_that_does_not_fit_raises_and_has_no_effect(operation: Any) -> None:
    value = {"text": "x", "list": [1, 2]}
    first = {"op": "replace", "path": "/list/0", "value": 9}
    with pytest.raises(PatchError):
        apply_patch(value, [first, operation])
    assert value == {"text": "x", "list": [1, 2]}


@pytest.mark.parametrize("patch", [None, {}, "[]", 1])
def test_a_patch_is_a_list(patch: Any) -> None:
    with pytest.raises(PatchError, match="list"):
        apply_patch({}, patch)


def test_a_whole_value_can_be_replaced_and_extended() -> None:
    assert apply_patch(1, [{"op": "replace", "path": "", "value": "a"}]) == "a"
    assert apply_patch("a", [{"op": "append", "path": "", "value": "b"}]) == "ab"
    assert apply_patch("a", [{"op": "add", "path": "", "value": None}]) is None
