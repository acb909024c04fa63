from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.llm import (
    Accumulator,
    Ended,
    Event,
    PartBegun,
    PartEnded,
    ReasoningDelta,
    ReplyBegun,
    TextDelta,
    ToolInputDelta,
    Usage,
)

_TYPES = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]


def raw(**data: Any) -> dict[str, Any]:
    return data


def start(index: int, **block: Any) -> dict[str, Any]:
    return raw(type="content_block_start", index=index, content_block=block)


def delta(index: int, **delta: Any) -> dict[str, Any]:
    return raw(type="content_block_delta", index=index, delta=delta)


def stop(index: int) -> dict[str, Any]:
    return raw(type="content_block_stop", index=index)


def feed(accumulator: Accumulator, *events: dict[str, Any]) -> list[Event]:
    return [event for each in events for event in accumulator.feed(each)]


MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1},
}


def test_a_reply_is_told_from_its_beginning_to_its_end():
    accumulator = Accumulator(request_id="req_1")
    events = feed(
        accumulator,
        raw(type="message_start", message=MESSAGE),
        start(0, type="text", text=""),
        delta(0, type="text_delta", text="Hello"),
        stop(0),
        raw(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}),
        raw(type="message_stop"),
    )
    usage = Usage(input_tokens=7, cache_read_input_tokens=3, output_tokens=5)
    hello = {"type": "text", "text": "Hello"}
    assert events == [
        ReplyBegun("msg_1", "claude-sonnet-5-5", "req_1"),
        Usage(input_tokens=7, cache_read_input_tokens=3, output_tokens=1),
        PartBegun(0, "text"),
        TextDelta(0, "Hello"),
        PartEnded(0, "text", hello),
        usage,
        Ended("end_turn", usage, "msg_1", "claude-sonnet-5-5", "req_1", (hello,)),
    ]
    assert accumulator.is_complete
    assert (usage.prompt_tokens, usage.total_tokens) == (10, 15)


def test_a_reply_without_message_stop_is_not_complete():
    accumulator = Accumulator()
    feed(
        accumulator,
        raw(type="message_start", message=MESSAGE),
        raw(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}),
    )
    assert not accumulator.is_complete


@given(st.lists(st.text()))
def test_however_text_is_split_it_accumulates_to_the_same(pieces: list[str]):
    accumulator = Accumulator()
    events = feed(
        accumulator,
        start(0, type="text", text=""),
        *(delta(0, type="text_delta", text=piece) for piece in pieces),
        stop(0),
    )
    whole = "".join(pieces)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == whole
    assert accumulator.content == ({"type": "text", "text": whole},)


@given(st.data())
def test_however_tool_input_is_split_it_reads_the_same(data: st.DataObject):
    written = '{"path": "a/ü.txt", "lines": [1, 2], "deep": {"ok": true}}'
    cuts = sorted(data.draw(st.sets(st.integers(0, len(written)))))
    edges = [0, *cuts, len(written)]
    pieces = [written[a:b] for a, b in pairwise(edges)]
    accumulator = Accumulator()
    events = feed(
        accumulator,
        start(0, type="tool_use", id="toolu_1", name="edit", input={}),
        *(delta(0, type="input_json_delta", partial_json=piece) for piece in pieces),
        stop(0),
    )
    assert events[0] == PartBegun(0, "tool-call", "toolu_1", "edit")
    assert "".join(e.partial_json for e in events if isinstance(e, ToolInputDelta)) == written
    assert accumulator.content[0]["input"] == {
        "path": "a/ü.txt",
        "lines": [1, 2],
        "deep": {"ok": True},
    }


def test_interleaved_blocks_keep_apart_and_in_order():
    accumulator = Accumulator()
    feed(
        accumulator,
        start(0, type="text", text=""),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text="second"),
        delta(0, type="text_delta", text="first"),
        stop(1),
        stop(0),
    )
    assert [block["text"] for block in accumulator.content] == ["first", "second"]


def test_thinking_keeps_its_signature_to_the_letter():
    accumulator = Accumulator()
    events = feed(
        accumulator,
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm. "),
        delta(0, type="thinking_delta", thinking="Yes."),
        delta(0, type="signature_delta", signature="EqQB+/=="),
        stop(0),
    )
    assert [e.text for e in events if isinstance(e, ReasoningDelta)] == ["Hm. ", "Yes."]
    assert accumulator.content == (
        {"type": "thinking", "thinking": "Hm. Yes.", "signature": "EqQB+/=="},
    )


def test_a_block_still_open_is_not_in_the_content():
    accumulator = Accumulator()
    feed(accumulator, start(0, type="text", text=""), delta(0, type="text_delta", text="half"))
    assert accumulator.content == ()


def test_tool_input_that_is_not_a_json_object_is_not_whole():
    for broken in ('{"path": "a', "[1]", "null"):
        accumulator = Accumulator()
        *_, ended = feed(
            accumulator,
            start(0, type="tool_use", id="toolu_1", name="edit", input={}),
            delta(0, type="input_json_delta", partial_json=broken),
            stop(0),
        )
        assert isinstance(ended, PartEnded)
        assert not ended.is_whole
        assert ended.block["input"] == {}


def test_a_tool_call_without_input_is_whole():
    accumulator = Accumulator()
    *_, ended = feed(
        accumulator, start(0, type="tool_use", id="toolu_1", name="now", input={}), stop(0)
    )
    assert ended == PartEnded(
        0, "tool-call", {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
    )


def test_a_block_of_an_unknown_type_is_carried_verbatim():
    block = {"type": "hologram", "voxels": [1, 2], "deep": {"a": None}}
    accumulator = Accumulator()
    events = feed(accumulator, start(0, **block), delta(0, type="voxel_delta", voxels=[3]), stop(0))
    assert events == [PartBegun(0, "other"), PartEnded(0, "other", block)]
    assert accumulator.content == (block,)


def test_a_redacted_thinking_block_is_carried_verbatim():
    block = {"type": "redacted_thinking", "data": "c2VjcmV0"}
    accumulator = Accumulator()
    feed(accumulator, start(0, **block), stop(0))
    assert accumulator.content == (block,)


def test_citations_are_collected():
    accumulator = Accumulator()
    feed(
        accumulator,
        start(0, type="text", text="", citations=None),
        delta(0, type="citations_delta", citation={"cited_text": "one"}),
        delta(0, type="citations_delta", citation={"cited_text": "two"}),
        stop(0),
    )
    assert accumulator.content[0]["citations"] == [{"cited_text": "one"}, {"cited_text": "two"}]


def test_a_refusal_says_why():
    accumulator = Accumulator()
    *_, ended = feed(
        accumulator,
        raw(
            type="message_delta",
            delta={
                "stop_reason": "refusal",
                "stop_details": {"type": "refusal", "category": "bio", "explanation": "No."},
            },
            usage={"output_tokens": 5},
        ),
        raw(type="message_stop"),
    )
    assert isinstance(ended, Ended)
    assert (ended.stop_reason, ended.refusal) == ("refusal", "No.")


def test_usage_that_leaves_something_out_overwrites_only_what_it_says():
    accumulator = Accumulator()
    feed(accumulator, raw(type="message_start", message=MESSAGE))
    events = feed(
        accumulator,
        raw(
            type="message_delta",
            delta={"stop_reason": "end_turn"},
            usage={
                "output_tokens": 9,
                "input_tokens": None,
                "output_tokens_details": {"thinking_tokens": 4},
            },
        ),
    )
    assert events == [
        Usage(input_tokens=7, cache_read_input_tokens=3, output_tokens=9, thinking_tokens=4)
    ]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from([*_TYPES, "from_the_future"])},
            optional={
                "index": st.integers(-1, 2) | _json,
                "message": _json,
                "content_block": _json,
                "delta": _json,
                "usage": _json,
            },
        ),
        max_size=6,
    )
)
def test_no_event_however_odd_is_a_crash(events: list[dict[str, Any]]):
    feed(Accumulator(), *(raw(**event) for event in events))
