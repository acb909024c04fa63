"""Scripts in JSON files, and what is said of those that are none."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from server.llm.standin import (
    Block,
    CutShort,
    Dropped,
    ErrorEvent,
    Malformed,
    Replay,
    Reply,
    Script,
    ScriptError,
    Stalled,
    StatusError,
    Text,
    Thinking,
    ToolUse,
    load_script,
    script_file,
)

README = Path(__file__).parents[2] / "README.md"
CITATION = {"type": "char_location", "cited_text": "x"}


def turns(script: Script) -> list[Any]:
    return [script.take() for _ in range(len(script))]


def load(folder: Path, written: Any) -> Script:
    path = folder / "script.json"
    path.write_text(written if isinstance(written, str) else json.dumps(written))
    return load_script(path)


def test_everything_that_python_can_say_a_file_can_say(tmp_path: Path):
    (tmp_path / "one.sse").write_text('event: ping\ndata: {"type": "ping"}\n\n')
    script = load(
        tmp_path,
        {
            "turns": [
                {
                    "parts": [
                        {"type": "thinking", "deltas": ["Hm, ", "well."]},
                        {"type": "text", "deltas": "Cut  into words. ", "citations": [CITATION]},
                        {"type": "tool_use", "name": "now", "input": {"a": 1}, "id": "toolu_1"},
                        {"type": "tool_use", "name": "now", "deltas": ["{", "}"]},
                        {"type": "block", "start": {"type": "x"}, "deltas": [{"type": "y"}]},
                    ],
                    "stop_reason": "pause_turn",
                    "delay_ms": 1,
                    "delta_interval_ms": 2.5,
                    "usage": {"output_tokens": 7},
                    "refusal": None,
                },
                {"failure": {"type": "status_error", "status": 529, "message": "m",
                             "error_type": "overloaded_error", "retry_after_s": 2}},
                {"failure": {"type": "error_event", "at_event": 3, "error_type": "api_error"}},
                {"failure": {"type": "cut_short", "after": 2, "bytes_of_next": 9}},
                {"failure": {"type": "dropped", "at_event": 0}},
                {"failure": {"type": "malformed", "data": "what?\n\n"}},
                {"failure": {"type": "stalled", "for_ms": 50, "ping_interval_ms": 5}},
                {"replay": "one.sse", "event_interval_ms": 5, "delay_ms": 1,
                 "failure": {"type": "dropped", "at_event": 1}},
            ],
            "loop": False,
        },
    )  # fmt: skip
    *replies, replay = turns(script)
    assert replies == [
        Reply(
            [
                Thinking(["Hm, ", "well."]),
                Text(["Cut", "  into", " words.", " "], [CITATION]),
                ToolUse("now", {"a": 1}, "toolu_1"),
                ToolUse("now", {}, deltas=["{", "}"]),
                Block({"type": "x"}, [{"type": "y"}]),
            ],
            stop_reason="pause_turn",
            delay_ms=1,
            delta_interval_ms=2.5,
            usage={"output_tokens": 7},
            refusal=None,
        ),
        Reply([], failure=StatusError(529, "overloaded_error", "m", 2)),
        Reply([], failure=ErrorEvent(error_type="api_error", at_event=3)),
        Reply([], failure=CutShort(2, 9)),
        Reply([], failure=Dropped(at_event=0)),
        Reply([], failure=Malformed(data=b"what?\n\n")),
        Reply([], failure=Stalled(for_ms=50, ping_interval_ms=5)),
    ]
    assert isinstance(replay, Replay)
    assert replay.data.startswith(b"event: ping")
    assert (replay.event_interval_ms, replay.delay_ms) == (5, 1)
    assert replay.failure == Dropped(at_event=1)


def test_a_file_may_loop(tmp_path: Path):
    script = load(tmp_path, {"turns": [{"parts": []}], "loop": True})
    assert [script.take() for _ in range(3)] == [Reply([])] * 3


def test_the_shape_that_is_documented_is_the_shape(tmp_path: Path):
    (tmp_path / "recorded.sse").write_text('event: ping\ndata: {"type": "ping"}\n\n')
    for document, parts in ((script_file.__doc__ or "", 4), (README.read_text("utf-8"), 2)):
        (documented,) = re.findall(r"```json\n(.*?)```", document, re.DOTALL)
        first, *_, last = turns(load(tmp_path, documented))
        assert isinstance(first, Reply)
        assert len(first.parts) == parts
        assert isinstance(last, Replay)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{", "invalid JSON"),
        ("[]", "object"),
        ({}, "turns: field required"),
        ({"turns": [{"part": []}]}, "turns.0.part: extra inputs"),
        ({"turns": [{"parts": [{"deltas": []}]}]}, "turns.0.parts.0: unable to extract tag"),
        ({"turns": [{"parts": [{"type": "txt"}]}]}, "turns.0.parts.0: input tag 'txt'"),
        ({"turns": [{"parts": [{"type": "text"}]}]}, "turns.0.parts.0.deltas: field required"),
        ({"turns": [{"parts": [{"type": "text", "deltas": 7}]}]}, "turns.0.parts.0.deltas: input"),
        ({"turns": [{"delay_ms": -1}]}, "turns.0.delay_ms: input should be greater"),
        (
            {"turns": [{}, {"failure": {"type": "dropped", "at": 1}}]},
            "turns.1.failure.at: extra inputs",
        ),
        ({"turns": [{"replay": "x", "parts": []}]}, "turns.0.parts: extra inputs"),
        ({"turns": [{"x": 1}] * 9}, "and 4 more"),
    ],
)
def test_a_file_that_is_no_script_is_refused_in_words(tmp_path: Path, written: Any, words: str):
    with pytest.raises(ScriptError) as caught:
        load(tmp_path, written)
    assert words in str(caught.value)
    assert str(tmp_path / "script.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path: Path):
    with pytest.raises(ScriptError, match="No such file"):
        load_script(tmp_path / "script.json")
