"""Scripted replies through Claude's own SDK: every kind of part, ending and failure."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest

from server.llm.standin import (
    Block,
    CutShort,
    Dropped,
    ErrorEvent,
    Malformed,
    Reply,
    Script,
    Stalled,
    StandinServer,
    StatusError,
    Text,
    Thinking,
    ToolUse,
)

HELLO = {"role": "user", "content": "Hello"}
BODY: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 1_000,
    "messages": [HELLO],
    "thinking": {"type": "adaptive", "display": "summarized"},
}
CITATION = {
    "type": "char_location",
    "cited_text": "Rivers meander.",
    "document_index": 0,
    "document_title": "Rivers",
    "start_char_index": 0,
    "end_char_index": 15,
    "file_id": None,
}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
PARTS = [
    Thinking(["Hm, ", "well."]),
    Text(["Rivers ", "meander."], citations=[CITATION]),
    Block({"type": "redacted_thinking", "data": "c2VjcmV0"}),
    Block(SEARCH, [{"type": "input_json_delta", "partial_json": '{"query": "a"}'}]),
    ToolUse("now", {"zone": "UTC"}, id="toolu_now"),
    ToolUse("then", {"days": [1, 2]}),
]


@pytest.fixture
async def sdk(standin: StandinServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=standin.base_url, api_key="any", max_retries=0
    ) as sdk:
        yield sdk


async def final(sdk: anthropic.AsyncAnthropic, **change: Any) -> dict[str, Any]:
    """What the SDK's own accumulator makes of the stream."""
    async with sdk.messages.stream(**(BODY | change)) as stream:
        message = await stream.get_final_message()
    return message.model_dump(mode="json", exclude_unset=True)


async def events(sdk: anthropic.AsyncAnthropic) -> list[dict[str, Any]]:
    stream = await sdk.messages.create(**BODY, stream=True)
    return [event.to_dict(mode="json") async for event in stream]


async def test_the_sdk_understands_every_kind_of_part(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic
):
    standin.script.add(Reply(PARTS), Reply(PARTS))
    streamed = await final(sdk)
    whole = await sdk.messages.create(**BODY)
    thinking, text, redacted, search, now, then = streamed["content"]
    assert thinking["thinking"] == "Hm, well."
    assert len(thinking["signature"]) > 20
    assert text == {"type": "text", "text": "Rivers meander.", "citations": [CITATION]}
    assert redacted == {"type": "redacted_thinking", "data": "c2VjcmV0"}
    assert search == SEARCH | {"input": {"query": "a"}}
    assert now == {"type": "tool_use", "id": "toolu_now", "name": "now", "input": {"zone": "UTC"}}
    assert (then["name"], then["input"]) == ("then", {"days": [1, 2]})
    assert streamed["stop_reason"] == "tool_use"
    again = whole.model_dump(mode="json", exclude_unset=True)
    for left, right in zip(streamed["content"][:-1], again["content"][:-1], strict=True):
        assert left == right
    assert streamed["usage"] == again["usage"]


@pytest.mark.parametrize(
    "reason",
    ["end_turn", "max_tokens", "stop_sequence", "pause_turn", "refusal", "tool_use",
     "model_context_window_exceeded"],
)  # fmt: skip
async def test_the_sdk_reads_every_ending(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic, reason: str
):
    standin.script.add(Reply([Text(["So ", "far"])], stop_reason=reason, refusal="Not this."))
    message = await final(sdk)
    assert message["stop_reason"] == reason
    assert message["content"] == [{"type": "text", "text": "So far"}]
    details = message.get("stop_details") or {}
    assert details.get("explanation") == ("Not this." if reason == "refusal" else None)


async def test_usage_counts_thinking_and_may_be_told(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic
):
    standin.script.add(
        Reply([Thinking(["x" * 40]), Text(["y" * 8])]),
        Reply(
            [Text(["y"])],
            usage={
                "input_tokens": 11,
                "cache_read_input_tokens": 22,
                "cache_creation_input_tokens": 33,
                "output_tokens": 44,
                "output_tokens_details": {"thinking_tokens": 40},
            },
        ),
    )
    counted = (await final(sdk, thinking={"type": "adaptive"}))["usage"]
    assert counted["output_tokens"] == 1 + 10 + 2
    assert counted["output_tokens_details"] == {"thinking_tokens": 10}, "though none is shown"
    told = (await final(sdk))["usage"]
    assert [told[name] for name in ("input_tokens", "cache_read_input_tokens")] == [11, 22]
    assert (told["cache_creation_input_tokens"], told["output_tokens"]) == (33, 44)
    assert told["output_tokens_details"] == {"thinking_tokens": 40}


# Failures


async def failing(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic, failure: Any
) -> tuple[list[dict[str, Any]], BaseException | None]:
    """The events that arrive before `failure`, and what the SDK then raises."""
    standin.script.add(Reply(PARTS[:2], failure=failure))
    seen: list[dict[str, Any]] = []
    try:
        async for event in await sdk.messages.create(**BODY, stream=True):
            seen.append(event.to_dict(mode="json"))  # noqa: PERF401 — kept when the next one fails
    except Exception as error:
        return seen, error
    return seen, None


async def test_a_stream_may_break_at_every_event(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic
):
    standin.script.add(Reply(PARTS[:2]))
    kinds = [event["type"] for event in await events(sdk)]
    kinds.insert(1, "ping")  # which the SDK keeps to itself
    for at in range(len(kinds) + 2):
        expected = [kind for kind in kinds[:at] if kind != "ping"]
        for failure, raised in (
            (CutShort(at_event=at), type(None)),
            (CutShort(at_event=at, bytes_of_next=30), type(None)),
            (Dropped(at_event=at), httpx2.HTTPError),
            (ErrorEvent(at_event=at), anthropic.APIStatusError),
            (Malformed(at_event=at), ValueError),
        ):
            seen, error = await failing(standin, sdk, failure)
            assert isinstance(error, raised), (failure, error)
            if isinstance(failure, Dropped):  # a reset may overtake what was sent
                assert [event["type"] for event in seen] == expected[: len(seen)]
            else:
                assert [event["type"] for event in seen] == expected, failure
            assert standin.requests[-1].outcome == "failed as told"


async def test_a_stall_at_an_event_goes_on_when_told_or_after_its_time(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic
):
    go_on = asyncio.Event()
    standin.script.add(Reply(PARTS[:2], failure=Stalled(at_event=3, until=go_on)))
    stream = await sdk.messages.create(**BODY, stream=True)
    seen: list[str] = []
    async for event in stream:
        seen.append(event.type)
        if len(seen) == 2:  # and the ping
            assert standin.requests[-1].outcome == "answering"
            go_on.set()
    assert seen[-1] == "message_stop"
    for pings_ms in (None, 1):
        seen_again, error = await failing(
            standin, sdk, Stalled(at_event=0, for_ms=5, ping_interval_ms=pings_ms)
        )
        assert error is None
        assert [event["type"] for event in seen_again] == seen


async def test_bytes_that_are_not_utf_8_are_an_error(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic
):
    odd = b'event: content_block_delta\ndata: {"type": "\xff\xfe"}\n\n'
    _, error = await failing(standin, sdk, Malformed(at_event=4, data=odd))
    assert isinstance(error, ValueError)


async def test_a_refused_status_writes_nothing_to_the_prompt_cache(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic
):
    standin.script.add(Reply(failure=StatusError(529, "overloaded_error")), Reply([Text(["a"])]))
    asked = {"cache_control": {"type": "ephemeral"}, "system": "Nobody asked this before."}
    with pytest.raises(anthropic.APIStatusError):
        await final(sdk, **asked)
    assert (await final(sdk, **asked))["usage"]["cache_read_input_tokens"] == 0


# The queue


async def test_a_reply_may_depend_on_the_request(
    standin: StandinServer, sdk: anthropic.AsyncAnthropic
):
    def respond(body: dict[str, Any]) -> Reply | None:
        said = body["messages"][-1]["content"]
        return Reply([Text([f"You said {said}."])]) if said != "Hello" else None

    standin.script.respond = respond
    standin.script.add(Reply([Text(["queued"])]))
    told = await asyncio.gather(
        *(final(sdk, messages=[{"role": "user", "content": each}]) for each in ("a", "Hello", "b"))
    )
    assert [message["content"][0]["text"] for message in told] == [
        "You said a.",
        "queued",
        "You said b.",
    ]


def test_a_script_may_begin_again():
    first, second = Reply([Text(["1"])]), Reply([Text(["2"])])
    script = Script(first, second, loop=True)
    assert [script.take() for _ in range(5)] == [first, second, first, second, first]


async def test_scripts_have_a_pace_of_their_own_or_the_stand_ins():
    async with (
        StandinServer(Script(Reply([Text("abc")])), script_interval_ms=60_000) as url,
        anthropic.AsyncAnthropic(base_url=url, api_key="any", max_retries=0) as sdk,
        await sdk.messages.create(**BODY, stream=True) as stream,
    ):
        seen = [await anext(stream) for _ in range(3)]
        assert seen[-1].type == "content_block_delta"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):  # the next one is a minute away
                await anext(stream)
