"""A snapshot shares what is equal with the value before it."""

import copy
from typing import Any

import orjson
from hypothesis import example, given

from server.client import limits
from server.client.sharing import shared
from tests.client.test_patching import DOCUMENTS, VALUES


def as_json(value: Any) -> bytes:
    """In which true is not 1, and the order of names, which is the old one's, does not count."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@given(VALUES | DOCUMENTS, VALUES | DOCUMENTS)
def test_what_is_shared_says_the_same_as_before(old: Any, new: Any) -> None:
    before = copy.deepcopy(old)
    assert as_json(shared(old, new)) == as_json(new)
    assert shared(old, new) == new
    assert repr(old) == repr(before)


@example([{"_id": "", "a": None}, {"_id": "", "a": None}])
@given(VALUES | DOCUMENTS)
def test_an_equal_value_is_the_old_one_itself(value: Any) -> None:
    assert shared(value, copy.deepcopy(value)) is value


def test_documents_are_known_by_their_ids_wherever_they_are() -> None:
    old = [{"_id": "a", "v": [1]}, {"_id": "b", "v": [2]}, {"_id": "c", "v": [3]}]
    new = shared(
        old, [{"_id": "c", "v": [3]}, {"_id": "b", "v": [2], "w": 1}, {"_id": "d", "v": [1]}]
    )
    assert new[0] is old[2]
    assert new[1] is not old[1]
    assert new[1]["v"] is old[1]["v"]
    assert new[2] == {"_id": "d", "v": [1]}


def test_true_is_not_one() -> None:
    assert shared({"a": 1, "b": [0]}, {"a": True, "b": [False]}) == {"a": True, "b": [False]}
    assert shared({"a": 1}, {"a": True})["a"] is True
    assert type(shared([1], [1.0])[0]) is float


def test_a_bottomless_value_is_taken_as_it_is() -> None:
    deep: Any = []
    for _ in range(limits.SHARED_DEPTH_MAX * 20):
        deep = [deep]
    assert shared(copy_of(deep), deep) is not None


def copy_of(value: Any) -> Any:
    made: Any = []
    while value:
        made, value = [made], value[0]
    return made
