"""The stand-in against what Claude's API is known to do."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.llm import KNOWN_MODELS, Accumulator
from server.llm.standin import (
    Dropped,
    Reply,
    Script,
    StandinServer,
    StatusError,
    Text,
    Thinking,
    ToolUse,
)
from server.llm.standin.improvise import improvise
from server.llm.standin.refusal import Refusal
from server.llm.standin.validation import check_body
from server.llm.standin.wire import Answer

HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
HELLO = {"role": "user", "content": "Hello"}
BODY: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 1_000, "messages": [HELLO]}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "noon"}


@pytest.fixture
async def http(standin: StandinServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=standin.base_url, headers=HEADERS, timeout=60, trust_env=False, verify=False
    ) as http:
        yield http


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


# What goes over the wire


async def test_a_stream_is_named_events_in_the_documented_order(
    http: httpx2.AsyncClient, standin: StandinServer
):
    standin.script.add(
        Reply([Thinking(["a", "b"]), Text(["c", "d"]), ToolUse("now", {"zone": "UTC"})])
    )
    thinking = {"type": "adaptive", "display": "summarized"}
    response = await http.post("/v1/messages", json=BODY | {"stream": True, "thinking": thinking})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["request-id"] == standin.requests[-1].request_id

    told: list[str] = []
    for message in response.text.removesuffix("\n\n").split("\n\n"):
        name, data = message.split("\n")
        written = json.loads(data.removeprefix("data: "))
        assert name == f"event: {written['type']}"
        told.append(
            written["delta"]["type"]
            if "index" in written and "delta" in written
            else written["type"]
        )
    assert [name for name, _ in groupby(told)] == [
        "message_start",
        "ping",
        "content_block_start",
        "thinking_delta",
        "signature_delta",
        "content_block_stop",
        "content_block_start",
        "text_delta",
        "content_block_stop",
        "content_block_start",
        "input_json_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert told.count("signature_delta") == 1


async def test_without_stream_the_whole_message_comes_at_once(
    http: httpx2.AsyncClient, standin: StandinServer
):
    standin.script.add(Reply([Text(["Hello", "."])]))
    message = (await http.post("/v1/messages", json=BODY)).json()
    assert message["content"] == [{"type": "text", "text": "Hello."}]
    assert message["stop_reason"] == "end_turn"
    assert message["usage"]["output_tokens"] > 0


_words = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5)
_parts = st.lists(
    st.builds(Text, _words)
    | st.builds(Thinking, _words)
    | st.builds(ToolUse, st.just("now"), st.dictionaries(st.text(max_size=3), st.integers(0, 9))),
    max_size=4,
)


@given(_parts, st.sampled_from(["summarized", "omitted", None]))
def test_streamed_or_not_a_reply_is_the_same(parts: list[Any], display: str | None):
    body = BODY | ({"thinking": {"type": "adaptive", "display": display}} if display else {})
    answer = Answer("msg_1", BODY["model"], Reply(parts), body)
    accumulator = Accumulator()
    *_, ended = [each for event in answer.events() for each in accumulator.feed(event.data)]
    whole = answer.message()
    assert list(accumulator.content) == whole["content"]
    assert (ended.stop_reason, ended.usage.output_tokens) == (
        whole["stop_reason"],
        whole["usage"]["output_tokens"],
    )
    if parts:
        again = assistant(*whole["content"])
        answered = [
            {"type": "tool_result", "tool_use_id": block["id"]}
            for block in whole["content"]
            if block["type"] == "tool_use"
        ]
        has_blank_text = any(b.get("text", "x").strip() == "" for b in whole["content"])
        if whole["content"] and not has_blank_text:
            last = user(*answered, {"type": "text", "text": "Go on."})
            check_body(body | {"messages": [HELLO, again, last]})


async def test_a_dropped_connection_is_reset_and_not_closed(
    http: httpx2.AsyncClient, standin: StandinServer
):
    standin.script.add(Reply([Text(["Hello", "."])], failure=Dropped(after=1)))
    with pytest.raises(httpx2.ReadError):
        await http.post("/v1/messages", json=BODY | {"stream": True})


# What it refuses


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "claude-limerick-9"}, 404, "claude-limerick-9"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": "many"}, 400, "max_tokens"),
        ({"max_tokens": 10_000_000}, 400, "maximum allowed"),
        ({"temperature": 0.5}, 400, "temperature"),
        ({"top_p": 0.5}, 400, "top_p"),
        ({"top_k": 5}, 400, "top_k"),
        ({"tempo": "largo"}, 400, "tempo: Extra inputs"),
        ({"stream": "yes"}, 400, "stream"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, 400, "thinking.type.enabled"),
        ({"thinking": {"type": "disabled"}}, 400, "thinking.type.disabled"),
        ({"thinking": {}}, 400, "thinking.type"),
        ({"messages": []}, 400, "at least one"),
        ({"messages": "Hello"}, 400, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, 400, "role"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "content"),
        ({"messages": [user({"type": "text", "text": " "})]}, 400, "non-empty"),
        ({"messages": [user({"text": "x"})]}, 400, "type: Field required"),
        ({"messages": [assistant(CALL)]}, 400, "first message"),
        ({"messages": [HELLO, {"role": "assistant", "content": "And"}]}, 400, "prefill"),
        ({"messages": [HELLO, assistant(CALL), HELLO]}, 400, "without `tool_result`"),
        ({"messages": [HELLO, assistant(CALL)]}, 400, "without `tool_result`"),
        ({"messages": [HELLO, user(RESULT)]}, 400, "unexpected `tool_use_id`"),
        ({"tools": [{"name": "no spaces", "input_schema": {"type": "object"}}]}, 400, "pattern"),
        ({"tools": [{"name": "now", "input_schema": {"type": "object"}}] * 2}, 400, "unique"),
        ({"tools": [{"name": "now"}]}, 400, "input_schema"),
        (
            {
                "messages": [
                    HELLO,
                    assistant({"type": "thinking", "thinking": "Hm.", "signature": "forged"}),
                    HELLO,
                ]
            },
            400,
            "signature",
        ),
    ],
)
def test_what_the_api_refuses_is_refused(change: dict[str, Any], status: int, words: str):
    with pytest.raises(Refusal) as caught:
        check_body(BODY | change)
    assert caught.value.status == status
    assert words in caught.value.message


@pytest.mark.parametrize("name", ["model", "max_tokens", "messages"])
def test_what_the_api_requires_is_required(name: str):
    with pytest.raises(Refusal, match=f"{name}: Field required"):
        check_body({key: BODY[key] for key in BODY if key != name})


def test_what_the_api_takes_is_taken():
    for change in (
        {"messages": [HELLO, assistant(CALL), user(RESULT)]},
        {"messages": [HELLO, HELLO]},
        {"system": "Be brief.", "stop_sequences": ["."], "metadata": {"user_id": "u"}},
        {"thinking": {"type": "between_tools"}},
    ):
        check_body(BODY | change)
    older = BODY | {"model": "claude-sonnet-4-5", "max_tokens": 4_000}
    for change in (
        {"temperature": 0.5},
        {"messages": [HELLO, {"role": "assistant", "content": "And"}]},
        {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
        {"thinking": {"type": "disabled"}},
    ):
        check_body(older | change)


async def test_a_refusal_has_the_shape_of_the_apis(
    http: httpx2.AsyncClient, standin: StandinServer
):
    standin.script.add(Reply([Text(["kept"])]))
    for headers, content, status, error_type in (
        ({"x-api-key": ""}, json.dumps(BODY), 401, "authentication_error"),
        ({"anthropic-version": ""}, json.dumps(BODY), 400, "invalid_request_error"),
        ({}, "{", 400, "invalid_request_error"),
        ({}, "[]", 400, "invalid_request_error"),
        ({}, json.dumps(BODY | {"model": "x"}), 404, "not_found_error"),
    ):
        response = await http.post("/v1/messages", content=content, headers=headers)
        received = standin.requests[-1]
        assert response.status_code == status
        assert response.headers["request-id"] == received.request_id
        written = response.json()
        assert written["type"] == "error"
        assert written["error"]["type"] == error_type
        assert written["request_id"] == received.request_id
        assert received.outcome == "refused"
    assert len(standin.script) == 1, "a malformed request must use up no reply"


async def test_a_rate_limit_says_how_long_to_wait(http: httpx2.AsyncClient, standin: StandinServer):
    standin.script.add(Reply(failure=StatusError(429, "rate_limit_error", retry_after_s=1.5)))
    response = await http.post("/v1/messages", json=BODY)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1.5")


# What it remembers, and where it runs


async def test_the_key_is_remembered_for_tests_and_shown_to_nobody(
    http: httpx2.AsyncClient, standin: StandinServer
):
    await http.post("/v1/messages", json=BODY, headers={"x-api-key": "sk-ant-shown-to-nobody"})
    received = standin.requests[-1]
    assert received.key == "sk-ant-shown-to-nobody"
    assert received.key not in repr(received)
    assert received.key not in received.headers.values()


async def test_the_requests_remembered_are_bounded(
    http: httpx2.AsyncClient, standin: StandinServer
):
    for _ in range(300):
        await http.post("/v1/messages", content="{")
    assert len(standin.requests) == 256


def test_a_script_gives_each_reply_once_and_in_order():
    first, second = Reply([Text(["1"])]), Reply([Text(["2"])])
    script = Script(first)
    script.add(second)
    assert [script.take(), script.take(), script.take()] == [first, second, None]


async def test_a_port_may_be_chosen_and_is_refused_when_taken(standin: StandinServer):
    port = httpx2.URL(standin.base_url).port
    assert port is not None
    with pytest.raises(OSError, match="in use"):
        await StandinServer(port=port).start()


async def test_stopping_frees_the_port_and_may_be_repeated():
    server = StandinServer()
    port = httpx2.URL(await server.start()).port
    assert port is not None
    await server.stop()
    await server.stop()
    again = StandinServer(port=port)
    assert await again.start() == server.base_url
    await again.stop()


def test_run_standin_says_where_it_is_and_ends_on_ctrl_c():
    with subprocess.Popen(
        [sys.executable, "-c", "from server.llm.standin import run_standin; run_standin()"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what runs in the background with Ctrl-C ignored, and children inherit it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        response = httpx2.post(
            f"{base_url}/v1/messages",
            json=BODY,
            headers=HEADERS,
            timeout=60,
            trust_env=False,
            verify=False,
        )
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert response.json()["type"] == "message"
    assert (process.returncode, errors) == (0, "")


# What it says when nobody tells it what to say


@given(st.text(), st.integers(1, 2_000))
def test_it_can_talk_about_anything_within_its_limit(prompt: str, max_tokens: int):
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens}
    reply = improvise(body, deltas_per_second=40)
    thinking, text = reply.parts
    assert isinstance(thinking, Thinking)
    assert isinstance(text, Text)
    written = "".join(text.deltas)
    assert 0 < len(written) <= 4 * max_tokens
    assert all(text.deltas)
    if reply.stop_reason is None:
        for mark in ("\n\n", "\n- ", "```python\n"):
            assert mark in written
    assert reply == improvise(body, deltas_per_second=40)


def test_it_says_different_things_about_different_prompts():
    said = {
        "".join(
            improvise(
                {"messages": [{"role": "user", "content": f"{n}"}], "max_tokens": 5_000},
                deltas_per_second=40,
            )
            .parts[1]
            .deltas  # pyright: ignore — the second part is the text
        )
        for n in range(50)
    }
    assert len(said) > 40


def test_every_model_we_know_is_served():
    for name in KNOWN_MODELS:
        assert check_body(BODY | {"model": name}).name == name
