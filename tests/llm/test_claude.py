"""The real SDK against the stand-in, over real HTTP."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import date
from typing import Any

import pytest

from server.llm import (
    ChatRequest,
    ChatTurn,
    Claude,
    ClaudeError,
    ClaudeLimits,
    Ended,
    Event,
    KeyMissing,
    KeyRefused,
    ModelRetired,
    ModelUnknown,
    Overloaded,
    PartBegun,
    PartEnded,
    RateLimited,
    ReasoningDelta,
    ReplyBegun,
    RequestRefused,
    StreamCut,
    TextDelta,
    TimedOut,
    Unreachable,
    Usage,
)
from server.llm.standin import (
    CutShort,
    Dropped,
    ErrorEvent,
    Reply,
    Stalled,
    StandinServer,
    StatusError,
    Text,
    Thinking,
    ToolUse,
)
from tests.llm.conftest import CALLERS_KEY, KEY, LIMITS
from tests.mongod import unused_port

HELLO: ChatTurn = {"role": "user", "content": "Hello"}
REQUEST = ChatRequest(messages=[HELLO])
THREE = Text(["One, ", "two, ", "three."])


async def hear(claude: Claude, request: ChatRequest = REQUEST, key: str | None = None):
    return [event async for event in claude.stream(request, key)]


async def hear_until_failure(claude: Claude, *, key: str | None = None):
    """What was heard, and the error that ended it."""
    heard: list[Event] = []
    try:
        async for event in claude.stream(REQUEST, key):
            heard.append(event)  # noqa: PERF401 — what came before the error counts
    except ClaudeError as error:
        return heard, error
    pytest.fail("the reply did not fail")


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def ended(events: list[Event]) -> Ended:
    assert isinstance(events[-1], Ended)
    return events[-1]


async def test_a_reply_arrives_as_events_in_order(claude: Claude, standin: StandinServer):
    standin.script.add(Reply([Thinking(["Let me ", "see."]), Text(["Hello", " there."])]))
    events = await hear(claude)
    assert [type(event) for event in events] == [
        ReplyBegun,
        Usage,
        PartBegun,
        ReasoningDelta,
        ReasoningDelta,
        PartEnded,
        PartBegun,
        TextDelta,
        TextDelta,
        PartEnded,
        Usage,
        Ended,
    ]
    assert text_of(events) == "Hello there."
    assert ended(events).stop_reason == "end_turn"
    assert ended(events).usage.output_tokens > 0
    assert ended(events).request_id == standin.requests[-1].request_id
    assert [block["type"] for block in ended(events).content] == ["thinking", "text"]


async def test_the_request_carries_what_the_model_takes(claude: Claude, standin: StandinServer):
    await hear(claude, ChatRequest(messages=[HELLO], system="Be brief.", max_tokens=50))
    received = standin.requests[-1]
    assert received.body == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 50,
        "system": "Be brief.",
        "messages": [HELLO],
        "stream": True,
        "thinking": {"type": "adaptive", "display": "summarized"},
    }
    await received.ended.wait()
    assert received.outcome == "answered"


async def test_calls_one_after_another_share_a_connection(claude: Claude, standin: StandinServer):
    await hear(claude)
    await hear(claude)
    first, second = list(standin.requests)[-2:]
    assert first.client == second.client


async def test_an_unscripted_reply_is_about_the_prompt_and_the_same_every_time(
    claude: Claude,
):
    request = ChatRequest(messages=[{"role": "user", "content": "Why do glaciers sing?"}])
    first, second = await hear(claude, request), await hear(claude, request)
    assert "glaciers sing" in text_of(first)
    assert 150 < len(text_of(first).split()) < 500
    assert text_of(first) == text_of(second)


async def test_a_reply_longer_than_asked_for_ends_with_max_tokens(claude: Claude):
    events = await hear(claude, ChatRequest(messages=[HELLO], max_tokens=20, thinking=False))
    assert ended(events).stop_reason == "max_tokens"
    assert 0 < len(text_of(events)) <= 80


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-2"])
@pytest.mark.parametrize("thinking", [True, False])
async def test_every_current_model_takes_what_we_send(claude: Claude, model: str, thinking: bool):
    events = await hear(claude, ChatRequest(messages=[HELLO], model=model, thinking=thinking))
    assert ended(events).model == model
    assert any(isinstance(event, ReasoningDelta) for event in events) == thinking


@pytest.mark.filterwarnings("ignore:The model 'claude-sonnet-4-5' is deprecated")
async def test_sonnet_4_5_is_served_until_it_retires(standin: StandinServer):
    request = ChatRequest(messages=[HELLO], model="claude-sonnet-4-5")
    async with Claude(KEY, standin.base_url, today=lambda: date(2026, 11, 29)) as claude:
        assert ended(await hear(claude, request)).model == "claude-sonnet-4-5"
    async with Claude(KEY, standin.base_url, today=lambda: date(2026, 11, 30)) as claude:
        with pytest.raises(ModelRetired):
            await hear(claude, request)


async def test_a_replys_content_may_go_back_verbatim_and_only_so(
    claude: Claude, standin: StandinServer
):
    def again(content: list[dict[str, Any]], first: ChatTurn = HELLO) -> ChatRequest:
        return ChatRequest(
            messages=[
                first,
                {"role": "assistant", "content": content},
                {"role": "user", "content": "Go on."},
            ]
        )

    content = [dict(block) for block in ended(await hear(claude)).content]
    await hear(claude, again(content))
    altered = [{**content[0], "thinking": "I never thought that."}, *content[1:]]
    for request in (
        again(altered),
        again(content, first={"role": "user", "content": "Hallo"}),
    ):
        with pytest.raises(RequestRefused, match="Invalid `signature` in `thinking` block"):
            await hear(claude, request)


async def test_a_tool_call_is_told_with_its_input(claude: Claude, standin: StandinServer):
    standin.script.add(Reply([ToolUse("edit", {"path": "a.txt", "line": 3}, id="toolu_1")]))
    events = await hear(claude)
    assert PartBegun(0, "tool-call", "toolu_1", "edit") in events
    assert ended(events).stop_reason == "tool_use"
    assert ended(events).content[0]["input"] == {"path": "a.txt", "line": 3}


async def test_broken_tool_input_is_told_and_not_raised(claude: Claude, standin: StandinServer):
    standin.script.add(
        Reply([ToolUse("edit", {}, deltas=['{"pa', "th"])], stop_reason="max_tokens")
    )
    events = await hear(claude)
    assert [event.is_whole for event in events if isinstance(event, PartEnded)] == [False]
    assert ended(events).stop_reason == "max_tokens"


async def test_a_refusal_is_an_ending_with_a_reason(claude: Claude, standin: StandinServer):
    standin.script.add(Reply([THREE], stop_reason="refusal"))
    events = await hear(claude)
    assert ended(events).stop_reason == "refusal"
    assert ended(events).refusal == "The stand-in was told to refuse."


async def test_a_paused_turn_goes_on_when_it_is_sent_back_unchanged(
    claude: Claude, standin: StandinServer
):
    standin.script.add(Reply([THREE], stop_reason="pause_turn"), Reply([Text(["Four."])]))
    paused = ended(await hear(claude))
    assert paused.stop_reason == "pause_turn"
    content = [dict(block) for block in paused.content]
    resumed: list[ChatTurn] = [HELLO, {"role": "assistant", "content": content}]
    assert text_of(await hear(claude, ChatRequest(messages=resumed))) == "Four."


async def test_a_request_that_ends_with_the_assistant_is_refused(claude: Claude):
    turn: ChatTurn = {"role": "assistant", "content": "I was saying"}
    with pytest.raises(RequestRefused, match="must end with a user message"):
        await hear(claude, ChatRequest(messages=[HELLO, turn]))


# Keys


async def test_the_deployments_key_is_sent_unless_the_caller_brings_one(
    claude: Claude, standin: StandinServer
):
    await hear(claude)
    assert standin.requests[-1].key == KEY
    await hear(claude, key=f" {CALLERS_KEY}\n")
    assert standin.requests[-1].key == CALLERS_KEY
    await hear(claude)
    assert standin.requests[-1].key == KEY


async def test_a_callers_key_never_reaches_a_stand_in(standin: StandinServer):
    before = len(standin.requests)
    async with Claude(
        "none", standin.base_url, callers_base_url=_nobody(), limits=LIMITS
    ) as claude:
        with pytest.raises(Unreachable):
            await hear(claude, key=CALLERS_KEY)
    assert len(standin.requests) == before


async def test_without_any_key_the_error_names_the_cure(standin: StandinServer):
    async with Claude(None, standin.base_url) as claude:
        with pytest.raises(KeyMissing, match="Set ANTHROPIC_API_KEY"):
            await hear(claude)


@pytest.mark.parametrize("key", ["", "  ", "sk-ant two words", "sk-ant-ü", "sk-ant-\x00"])
async def test_a_key_that_cannot_be_one_is_refused_before_it_is_sent(claude: Claude, key: str):
    with pytest.raises(KeyRefused) as caught:
        await hear(claude, key=key)
    assert not key.strip() or key not in str(caught.value)


async def test_the_environments_key_and_address_are_left_alone(
    standin: StandinServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-from-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "from-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", _nobody())
    monkeypatch.setenv("HTTP_PROXY", _nobody())
    async with Claude(KEY, standin.base_url) as claude:
        await hear(claude)
    assert standin.requests[-1].key == KEY


async def test_no_key_is_shown_by_repr_or_by_any_failure(claude: Claude, standin: StandinServer):
    assert KEY not in repr(claude)
    for failure in (
        StatusError(401, "authentication_error", f"bad {CALLERS_KEY}"),
        StatusError(400, "invalid_request_error", f"bad {CALLERS_KEY}"),
        ErrorEvent(1, message=f"bad {CALLERS_KEY}"),
        ErrorEvent(1, error_type="api_error", message=f"bad {CALLERS_KEY}"),
        CutShort(1),
        Dropped(1),
    ):
        standin.script.add(Reply([THREE], failure=failure))
        _, error = await hear_until_failure(claude, key=CALLERS_KEY)
        assert CALLERS_KEY not in "".join(traceback.format_exception(error))
        assert CALLERS_KEY not in repr(error.as_json())


# Failures before the reply


async def test_a_refused_key_is_said_so(claude: Claude, standin: StandinServer):
    standin.script.add(Reply(failure=StatusError(401, "authentication_error", "invalid x-api-key")))
    heard, error = await hear_until_failure(claude)
    assert heard == []
    assert isinstance(error, KeyRefused)
    assert not error.retryable


async def test_a_model_nobody_knows_is_said_so(claude: Claude):
    with pytest.raises(ModelUnknown, match="claude-limerick-9"):
        await hear(claude, ChatRequest(messages=[HELLO], model="claude-limerick-9"))


async def test_a_rate_limit_is_waited_for_and_passes_unseen(claude: Claude, standin: StandinServer):
    limit = StatusError(429, "rate_limit_error", retry_after_s=0.01)
    standin.script.add(Reply(failure=limit), Reply(failure=limit), Reply([THREE]))
    assert text_of(await hear(claude)) == "One, two, three."


async def test_a_rate_limit_that_asks_for_too_long_a_wait_is_told_at_once(
    claude: Claude, standin: StandinServer
):
    limit = StatusError(429, "rate_limit_error", retry_after_s=3_600)
    standin.script.add(Reply(failure=limit), Reply([THREE]))
    _, error = await hear_until_failure(claude)
    assert isinstance(error, RateLimited)
    assert error.retry_after_ms == 3_600_000
    assert len(standin.script) == 1


async def test_a_service_that_stays_overloaded_is_asked_three_times(
    claude: Claude, standin: StandinServer
):
    standin.script.add(*[Reply(failure=StatusError(529, "overloaded_error"))] * 3, Reply([THREE]))
    _, error = await hear_until_failure(claude)
    assert isinstance(error, Overloaded)
    assert error.retryable
    assert len(standin.script) == 1


async def test_a_bad_request_is_told_in_the_services_words_and_asked_once(
    claude: Claude, standin: StandinServer
):
    standin.script.add(
        Reply(failure=StatusError(400, "invalid_request_error", "messages.3: too odd")),
        Reply([THREE]),
    )
    _, error = await hear_until_failure(claude)
    assert isinstance(error, RequestRefused)
    assert "messages.3: too odd" in error.message
    assert len(standin.script) == 1


async def test_a_service_that_is_not_there_is_unreachable():
    async with Claude(KEY, _nobody(), limits=LIMITS) as claude:
        _, error = await hear_until_failure(claude)
    assert isinstance(error, Unreachable)
    assert "127.0.0.1" in error.message


# Failures in mid-stream: what was heard stands, and nothing is asked again


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ErrorEvent(2), Overloaded),
        (ErrorEvent(2, error_type="api_error"), ClaudeError),
        (CutShort(2), StreamCut),
        (CutShort(3), StreamCut),
        (Dropped(2), StreamCut),
    ],
)
async def test_a_failure_in_mid_stream_ends_the_reply_with_its_name(
    claude: Claude,
    standin: StandinServer,
    failure: ErrorEvent | CutShort | Dropped,
    expected: type[ClaudeError],
):
    standin.script.add(Reply([THREE], failure=failure), Reply([THREE]))
    heard, error = await hear_until_failure(claude)
    assert type(error) is expected
    assert error.retryable
    # A reset may overtake what was sent before it; nothing else may lose a delta.
    sent = "".join(THREE.deltas[: failure.after])
    assert text_of(heard) == sent or (
        isinstance(failure, Dropped) and sent.startswith(text_of(heard))
    )
    assert not any(isinstance(event, Ended) for event in heard)
    assert len(standin.script) == 1
    await standin.requests[-1].ended.wait()
    assert standin.requests[-1].outcome == "failed as told"


async def test_silence_is_a_timeout(standin: StandinServer):
    limits = ClaudeLimits(silence_timeout_ms=1_000)
    standin.script.add(Reply([THREE], failure=Stalled(after=1)))
    async with Claude(KEY, standin.base_url, limits=limits) as claude:
        heard, error = await hear_until_failure(claude)
    assert text_of(heard) == "One, "
    assert isinstance(error, TimedOut)


async def test_pings_alone_are_a_timeout_too(standin: StandinServer):
    limits = ClaudeLimits(silence_timeout_ms=1_000, event_timeout_ms=1_200)
    standin.script.add(Reply([THREE], failure=Stalled(after=1, ping_interval_ms=10)))
    async with Claude(KEY, standin.base_url, limits=limits) as claude:
        heard, error = await hear_until_failure(claude)
    assert text_of(heard) == "One, "
    assert isinstance(error, TimedOut)
    await standin.requests[-1].ended.wait()
    assert standin.requests[-1].outcome == "client left"


async def test_a_reply_that_falters_goes_on(claude: Claude, standin: StandinServer):
    go_on = asyncio.Event()
    standin.script.add(Reply([THREE], failure=Stalled(after=1, until=go_on)))
    heard: list[Event] = []
    async for event in claude.stream(REQUEST):
        heard.append(event)
        if isinstance(event, TextDelta):
            go_on.set()
    assert text_of(heard) == "One, two, three."


# Leaving


async def test_leaving_early_closes_the_connection(claude: Claude, standin: StandinServer):
    standin.script.add(Reply([THREE], failure=Stalled(after=1)))
    async with aclosing(claude.stream(REQUEST)) as events:
        await _first_delta(events)
    await standin.requests[-1].ended.wait()
    assert standin.requests[-1].outcome == "client left"


async def test_cancelling_closes_the_connection(claude: Claude, standin: StandinServer):
    standin.script.add(Reply([THREE], failure=Stalled(after=1)))
    begun = asyncio.Event()

    async def listen() -> None:
        async with aclosing(claude.stream(REQUEST)) as events:
            await _first_delta(events)
            begun.set()
            await anext(events)

    listening = asyncio.create_task(listen())
    await begun.wait()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await standin.requests[-1].ended.wait()
    assert standin.requests[-1].outcome == "client left"


async def test_a_stand_in_that_stops_cuts_its_replies_short():
    standin = StandinServer()
    await standin.start()
    standin.script.add(Reply([THREE], failure=Stalled(after=1)))
    async with Claude(KEY, standin.base_url) as claude:
        events = claude.stream(REQUEST)
        await _first_delta(events)
        stopping = asyncio.create_task(standin.stop())
        with pytest.raises(StreamCut):
            await anext(events)
    await stopping
    assert standin.requests[-1].outcome == "stopped"
    await standin.stop()


async def test_closing_ends_the_replies_under_way(standin: StandinServer):
    standin.script.add(Reply([THREE], failure=Stalled(after=1)))
    claude = Claude(KEY, standin.base_url)
    events = claude.stream(REQUEST)
    await _first_delta(events)
    closing = asyncio.create_task(claude.close())
    with pytest.raises(StreamCut):
        await anext(events)
    await closing


async def _first_delta(events: AsyncIterator[Event]) -> None:
    while not isinstance(await anext(events), TextDelta):
        pass


def _nobody() -> str:
    """An address at which nothing listens."""
    return f"http://127.0.0.1:{unused_port()}"
