"""Conversations that the stand-in takes and refuses, as Claude's API does."""

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from typing import Any

import httpx2
import pytest

from server.llm.standin import Block, Reply, StandinServer, Text, Thinking, ToolUse
from server.llm.standin.refusal import Refusal
from server.llm.standin.validation import check_body

HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
HELLO = {"role": "user", "content": "Hello"}
TEXT = {"type": "text", "text": "And?"}
BODY: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 1_000, "messages": [HELLO]}
SHOWN = {"type": "adaptive", "display": "summarized"}
SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}


@pytest.fixture
async def http(standin: StandinServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=standin.base_url, headers=HEADERS, timeout=60, trust_env=False, verify=False
    ) as http:
        yield http


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def call(number: int = 1, **change: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "now", "input": {}, **change}


def result(number: int = 1, **change: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": "noon", **change}


def tool(name: str = "now", **schema: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": {"type": "object", **schema}}


def text(words: str = "x", **change: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **change}


# What needs no memory


@pytest.mark.parametrize(
    "messages",
    [
        [HELLO, HELLO],
        [HELLO, assistant(text()), assistant(text()), HELLO],
        [HELLO, assistant(call()), user(result(), TEXT)],
        [HELLO, assistant(call()), user(result()), user(TEXT)],
        [HELLO, assistant(call(1), call(2)), user(result(2)), user(result(1), TEXT)],
        [HELLO, assistant(call(1)), assistant(call(2)), user(result(1), result(2))],
        [HELLO, assistant(call()), user(result(content=[text("a"), text("b")]))],
        [HELLO, assistant(call()), user(result(content=None))],
        [HELLO, assistant(text(citations=None)), HELLO],
    ],
)
def test_turns_of_one_role_are_one_turn(messages: list[Any]):
    check_body(BODY | {"messages": messages})


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([HELLO, assistant(call()), user(TEXT, result())], "without `tool_result`"),
        ([HELLO, assistant(call()), user(TEXT), user(result())], "without `tool_result`"),
        ([HELLO, assistant(call(1), call(2)), user(result(1))], "toolu_2"),
        ([HELLO, assistant(call()), user(result()), HELLO, user(result())], "single result"),
        ([HELLO, assistant(call()), user(result()), assistant(TEXT), user(result())], "unexpected"),
        ([HELLO, assistant(call(), call()), user(result())], "must be unique"),
        ([user(call())], "can only be in `assistant`"),
        ([HELLO, assistant(result()), HELLO], "can only be in `user`"),
        ([user({"type": "thinking", "thinking": "", "signature": "x"})], "can only be in"),
        ([HELLO, assistant(call(partial=True)), user(result())], "tool_use.partial: Extra inputs"),
        ([user(text(parsed_output=None))], "text.parsed_output: Extra inputs"),
        ([HELLO | {"id": "msg_1"}], "messages.0.id: Extra inputs"),
        ([user({"type": "limerick"})], "Input tag 'limerick'"),
        ([user({"type": "tool_use", "id": "toolu_1", "name": "now"})], "a field is missing"),
        ([HELLO, assistant(call()), user(result(content=[text("")]))], "non-empty"),
        ([HELLO, assistant(call()), user(result(content=7))], "tool_result.content"),
        ([HELLO, assistant(call()), user(result(content="", is_error=True))], "is_error"),
        ([HELLO, assistant({"type": "redacted_thinking", "data": "x"}), HELLO], "Invalid `data`"),
        ([HELLO, assistant(text()), assistant(text())], "prefill"),
        (["Hello"], "role"),
    ],
)
def test_what_the_api_refuses_in_a_conversation_is_refused(messages: list[Any], words: str):
    with pytest.raises(Refusal) as caught:
        check_body(BODY | {"messages": messages})
    assert caught.value.status == 400
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system": [text("")]}, "system: text"),
        ({"system": [text(tone="kind")]}, "system.0.tone: Extra inputs"),
        ({"system": 7}, "system: Input"),
        ({"metadata": {"user": "u"}}, "metadata.user: Extra inputs"),
        ({"metadata": "u"}, "metadata: Input"),
        ({"stop_sequences": [" "]}, "stop_sequences.0"),
        ({"thinking": {"type": "adaptive", "effort": "low"}}, "thinking.adaptive.effort: Extra"),
        ({"thinking": {"type": "adaptive", "display": "loud"}}, "display"),
        ({"tools": [tool() | {"inputSchema": {}}]}, "tools.0.custom.inputSchema: Extra inputs"),
        ({"tools": [tool() | {"type": "function"}]}, "tools.0.custom.type"),
        ({"tools": [tool() | {"description": 7}]}, "description"),
        ({"tools": [tool(anyOf=[])]}, "top level"),
        ({"tools": [tool(required="all")]}, "JSON schema is invalid"),
        ({"tools": [tool(properties={"a": "string"})]}, "JSON schema is invalid"),
        ({"tools": [{"name": "now", "input_schema": {"type": "array"}}]}, "type object"),
        ({"tools": [tool(), {"type": "web_search_20250305", "name": "now"}]}, "unique"),
        ({"tool_choice": {"type": "auto"}}, "while providing `tools`"),
        ({"tools": [tool()], "tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"tools": [tool()], "tool_choice": {"type": "tool", "name": "x"}}, "not found"),
        ({"tools": [tool()], "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"system": [text(cache_control={"type": "eternal"})]}, "cache_control"),
        ({"system": [text(cache_control=SHORT | {"ttl": "1d"})]}, "cache_control"),
        ({"messages": [user(*[text(cache_control=SHORT)] * 5)]}, "Found 5"),
        ({"messages": [user(*[text(cache_control=SHORT)] * 4)], "cache_control": SHORT}, "Found 5"),
        ({"system": [text(cache_control=SHORT), text(cache_control=LONG)]}, "ttl='1h'"),
    ],
)
def test_what_the_api_refuses_beside_it_is_refused(change: dict[str, Any], words: str):
    with pytest.raises(Refusal) as caught:
        check_body(BODY | change)
    assert caught.value.status == 400
    assert words in caught.value.message


def test_what_the_api_takes_beside_it_is_taken():
    for change in (
        {"tools": [tool(), {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]},
        {"tools": [tool()], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"tools": [tool()], "tool_choice": {"type": "none"}},
        {"system": [text(cache_control=LONG), text(cache_control=SHORT)]},
        {"messages": [user(*[text(cache_control=SHORT)] * 4)]},
        {"cache_control": SHORT},
    ):
        check_body(BODY | change)
    forced = {"tools": [tool()], "tool_choice": {"type": "any"}, "thinking": {"type": "disabled"}}
    check_body(BODY | forced | {"model": "claude-haiku-5-5"})


# Thinking, which is bound to everything before it

Change = Callable[[dict[str, Any]], object]


async def conversation(http: httpx2.AsyncClient, standin: StandinServer) -> dict[str, Any]:
    """A request that follows thinking, two calls, more thinking, an answer, and thinking."""
    body = BODY | {
        "thinking": SHOWN,
        "system": "Be brief.",
        "tools": [tool("now"), tool("then")],
        "messages": [HELLO],
    }
    standin.script.clear()
    standin.script.add(
        Reply([Thinking(["One."]), Text(["Wait."]), ToolUse("now", {}), ToolUse("then", {})]),
        Reply([Thinking(["Two."]), Text(["It is noon."])]),
        Reply([Thinking(["Three."]), Text(["So it is."])]),
        Reply([Text(["Taken."])]),
    )
    for _ in range(3):
        answer = (await http.post("/v1/messages", json=body)).raise_for_status().json()
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "noon"}
            for block in answer["content"]
            if block["type"] == "tool_use"
        ]
        said = [assistant(*answer["content"]), user(*(results or [text("Sure?")]))]
        body = body | {"messages": body["messages"] + said}
    return deepcopy(body)


def drop_thinking(*positions: int) -> Change:
    def change(body: dict[str, Any]) -> None:
        for position in positions:
            blocks = body["messages"][position]["content"]
            blocks[:] = [block for block in blocks if block["type"] != "thinking"]

    return change


def put(*path: Any) -> Change:
    """Put the last of `path` where the others lead."""

    def change(body: Any) -> None:
        *steps, name, value = path
        for step in steps:
            body = body[step]
        body[name] = value

    return change


def prepend(body: dict[str, Any]) -> None:
    body["messages"].insert(0, user(text("By the way.")))


def split(body: dict[str, Any]) -> None:
    results = body["messages"][2]["content"]
    body["messages"][2:3] = [user(each) for each in results]


def move_breakpoint(body: dict[str, Any]) -> None:
    body["system"] = [text("Be brief.", cache_control=SHORT)]
    body["messages"][-1]["content"][-1]["cache_control"] = SHORT
    body["tools"][-1]["cache_control"] = LONG


@pytest.mark.parametrize(
    "change",
    [
        lambda body: None,
        split,
        move_breakpoint,
        drop_thinking(1, 3, 5),
        drop_thinking(1),
        drop_thinking(1, 3),
        drop_thinking(5),
        put("max_tokens", 999),
        put("model", "claude-opus-5-5"),
    ],
)
async def test_thinking_comes_back_after_an_unchanged_past(
    http: httpx2.AsyncClient, standin: StandinServer, change: Change
):
    body = await conversation(http, standin)
    change(body)
    response = await http.post("/v1/messages", json=body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("system", "Be very brief."), "messages.1.content.0"),
        (put("tools", 0, "description", "The time."), "messages.1.content.0"),
        (put("tools", [tool("now")]), "messages.1.content.0"),
        (put("messages", 0, "content", "Hello?"), "messages.1.content.0"),
        (put("messages", 1, "content", 1, "text", "Hurry."), "messages.3.content.0"),
        (put("messages", 2, "content", 0, "content", "midnight"), "messages.3.content.0"),
        (put("messages", 1, "content", 0, "thinking", "Won."), "messages.1.content.0: Invalid"),
        (put("messages", 1, "content", 0, "signature", "Zm9yZ2Vk"), "Invalid `signature`"),
        (drop_thinking(3), "messages.5.content.0"),
        (prepend, "messages.2.content.0"),
    ],
)
async def test_thinking_after_a_changed_past_is_refused(
    http: httpx2.AsyncClient, standin: StandinServer, change: Change, words: str
):
    body = await conversation(http, standin)
    change(body)
    response = await http.post("/v1/messages", json=body)
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert "Invalid `signature` in `thinking` block" in message
    assert words in message


async def test_a_changed_past_may_be_forgiven(http: httpx2.AsyncClient, standin: StandinServer):
    body = await conversation(http, standin)
    body["system"] = "Be very brief."
    body["thinking"] |= {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    assert (await http.post("/v1/messages", json=body)).status_code == 200


@pytest.mark.parametrize("thinking", [SHOWN, {"type": "adaptive"}])
async def test_a_loop_of_calls_keeps_its_thinking(
    http: httpx2.AsyncClient, standin: StandinServer, thinking: dict[str, Any]
):
    body = BODY | {"thinking": thinking, "tools": [tool()]}
    standin.script.add(Reply([Thinking(["Hm."]), Text(["Wait."]), ToolUse("now", {})]))
    content = (await http.post("/v1/messages", json=body)).json()["content"]
    answered = user({"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "noon"})
    assert content[0]["type"] == "thinking"
    for kept, later, status in (
        (content, [], 200),
        (content[1:], [], 400),
        (content[1:], [assistant(text("Noon.")), user(text("Sure?"))], 200),
    ):
        messages = [HELLO, assistant(*kept), answered, *later]
        response = await http.post("/v1/messages", json=body | {"messages": messages})
        assert response.status_code == status, response.text
        if status == 400:
            assert "cannot be modified" in response.json()["error"]["message"]
    off = body | {
        "thinking": {"type": "between_tools"},
        "messages": [HELLO, assistant(*content[1:]), answered],
    }
    assert (await http.post("/v1/messages", json=off)).status_code == 200


async def test_older_models_want_thinking_first_in_a_loop_of_calls(
    http: httpx2.AsyncClient, standin: StandinServer
):
    older = BODY | {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4_000,
        "thinking": {"type": "enabled", "budget_tokens": 2_000},
        "messages": [HELLO, assistant(call()), user(result())],
    }
    response = await http.post("/v1/messages", json=older)
    assert "must start with a thinking block" in response.json()["error"]["message"]


# What was said before


async def test_a_paused_turn_comes_back_unchanged_and_may_pause_again(
    http: httpx2.AsyncClient, standin: StandinServer
):
    search = Block(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    )
    standin.script.add(
        Reply([Text(["Let me "]), search], stop_reason="pause_turn"),
        Reply([Text(["see."])], stop_reason="pause_turn"),
        Reply([Text([" Done."])]),
    )
    first = (await http.post("/v1/messages", json=BODY)).json()
    assert first["stop_reason"] == "pause_turn"
    messages = [HELLO, assistant(*first["content"])]
    altered = [HELLO, assistant(text("Let us "), *first["content"][1:])]
    response = await http.post("/v1/messages", json=BODY | {"messages": altered})
    assert "prefill" in response.json()["error"]["message"]
    second = (await http.post("/v1/messages", json=BODY | {"messages": messages})).json()
    messages[-1]["content"][-1]["cache_control"] = SHORT
    for again in (
        [*messages, assistant(*second["content"])],
        [HELLO, assistant(*messages[1]["content"], *second["content"])],
    ):
        standin.script.clear()
        standin.script.add(Reply([Text([" Done."])]))
        response = await http.post("/v1/messages", json=BODY | {"messages": again})
        assert response.status_code == 200, response.text


async def test_redacted_thinking_comes_back_only_if_it_was_sent(
    http: httpx2.AsyncClient, standin: StandinServer
):
    standin.script.add(
        Reply([Block({"type": "redacted_thinking", "data": "c2VjcmV0"}), Text(["Hm."])])
    )
    content = (await http.post("/v1/messages", json=BODY)).json()["content"]
    for data, status in (("c2VjcmV0", 200), ("Zm9yZ2Vk", 400)):
        messages = [HELLO, assistant(content[0] | {"data": data}, *content[1:]), HELLO]
        response = await http.post("/v1/messages", json=BODY | {"messages": messages})
        assert response.status_code == status


async def test_a_block_of_a_kind_newer_than_this_code_comes_back_if_it_was_sent(
    http: httpx2.AsyncClient, standin: StandinServer
):
    newer = {"type": "melody", "notes": ["c", "e"]}
    messages = [HELLO, assistant(newer), HELLO]
    response = await http.post("/v1/messages", json=BODY | {"messages": messages})
    assert response.status_code == 400
    standin.script.add(Reply([Block(newer)]))
    assert (await http.post("/v1/messages", json=BODY)).json()["content"] == [newer]
    response = await http.post("/v1/messages", json=BODY | {"messages": messages})
    assert response.status_code == 200
