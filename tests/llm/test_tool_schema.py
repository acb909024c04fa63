"""What Claude takes as a tool is taken here, and what it refuses is refused with the cure."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.llm import TOOL_NAME, unfit_schema
from server.llm.standin.refusal import Refusal
from server.llm.standin.validation import check_body
from tests.llm.tool_schemas import REFUSED_SCHEMAS, TAKEN_SCHEMAS

BODY: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "x"}],
}


def refusal(schema: Any, name: str = "read") -> str | None:
    """What the stand-in says against a tool."""
    try:
        check_body(BODY | {"tools": [{"name": name, "input_schema": schema}]})
    except Refusal as refused:
        return refused.message
    return None


@pytest.mark.parametrize(("schema", "words"), REFUSED_SCHEMAS)
def test_both_refuse_what_claude_does_not_take(schema: dict[str, Any], words: str) -> None:
    assert words in str(refusal(schema))
    assert unfit_schema(schema) is not None


@pytest.mark.parametrize("schema", TAKEN_SCHEMAS)
def test_both_take_what_claude_takes(schema: dict[str, Any]) -> None:
    assert refusal(schema) is None
    assert unfit_schema(schema) is None


def test_the_cure_is_said() -> None:
    problem = str(unfit_schema({"type": "object", "anyOf": []}))
    assert "anyOf at the top" in problem
    assert "list every property under properties" in problem
    assert "'a path'; name properties with" in str(
        unfit_schema({"type": "object", "properties": {"a path": {}}})
    )


_odd = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["object", "a", "a b", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "a b", "", "type"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(st.sampled_from(["properties", "required", "anyOf", "oneOf", "title"]), _odd),
    st.sampled_from(["object", "object", "object", "string"]),
)
def test_whatever_is_taken_here_is_taken_there(rules: dict[str, Any], kind: str) -> None:
    schema = {"type": kind, **rules}
    assert (unfit_schema(schema) is None) == (refusal(schema) is None)


@given(st.text(max_size=3) | st.text("aZ0_-", min_size=126, max_size=130))
def test_names_are_taken_alike(name: str) -> None:
    assert bool(TOOL_NAME.fullmatch(name)) == (refusal({"type": "object"}, name) is None)
