"""The stand-in beside the real service: what one takes or refuses, the other does."""

from typing import Any

import httpx2
import pytest

from server.llm.standin.refusal import Refusal
from server.llm.standin.validation import check_body
from tests.live_claude.conftest import CHEAP
from tests.llm.tool_schemas import REFUSED_SCHEMAS, TAKEN_SCHEMAS

pytestmark = pytest.mark.live

HELLO = {"role": "user", "content": "Hello"}
TEXT = {"type": "text", "text": "And?"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "noon"}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
FORGED = {"type": "thinking", "thinking": "Hm.", "signature": "Zm9yZ2Vk"}
TOOL = {"name": "now", "input_schema": {"type": "object"}}
BODY: dict[str, Any] = {
    "model": CHEAP,
    "max_tokens": 16,
    "messages": [HELLO],
    "tools": [TOOL],
    "thinking": {"type": "disabled"},
}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"max_tokens": None},
        {"tempo": "largo"},
        {"temperature": 0.5},
        {"model": "claude-limerick-9"},
        {"messages": []},
        {"messages": [HELLO, HELLO]},
        {"messages": [assistant(TEXT), HELLO]},
        {"messages": [HELLO, assistant(TEXT)]},
        {"messages": [HELLO, assistant(TEXT), assistant(TEXT), HELLO]},
        {"messages": [user({"type": "text", "text": ""})]},
        {"messages": [user({"type": "text", "text": " "})]},
        {"messages": [user({"type": "limerick"})]},
        {"messages": [user(TEXT | {"parsed_output": None})]},
        {"messages": [user(*[MARKED] * 4)]},
        {"messages": [user(*[MARKED] * 5)]},
        {"messages": [HELLO, assistant(CALL), user(RESULT, TEXT)]},
        {"messages": [HELLO, assistant(CALL), user(TEXT, RESULT)]},
        {"messages": [HELLO, assistant(CALL), user(RESULT), user(TEXT)]},
        {"messages": [HELLO, assistant(CALL), user(TEXT), user(RESULT)]},
        {"messages": [HELLO, assistant(CALL), HELLO]},
        {"messages": [HELLO, user(RESULT)]},
        {"messages": [HELLO, assistant(CALL), user(RESULT, RESULT)]},
        {"messages": [HELLO, assistant(FORGED, TEXT), HELLO]},
        {"tools": [TOOL, TOOL]},
        {"tools": [{"name": "no spaces", "input_schema": {"type": "object"}}]},
        {"tools": [{"name": "now", "input_schema": {"type": "array"}}]},
        {"tools": [], "tool_choice": {"type": "any"}},
        *[{"tools": [TOOL | {"input_schema": schema}]} for schema, _ in REFUSED_SCHEMAS],
        *[{"tools": [TOOL | {"input_schema": schema}]} for schema in TAKEN_SCHEMAS],
    ],
)  # fmt: skip
async def test_both_take_or_refuse_it(claude: httpx2.AsyncClient, change: dict[str, Any]) -> None:
    body = {name: value for name, value in (BODY | change).items() if value is not None}
    try:
        check_body(body)
        expected = 200
    except Refusal as refusal:
        expected = refusal.status
    response = await claude.post("/v1/messages", json=body)
    assert response.status_code == expected, response.text
