"""Requests are built from a record that only grows: each repeats those before it byte for byte."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.functions import transcripts
from server.llm import Base, Entry, build_request, continuation, tool_result, tool_uses
from server.llm.models import find_model
from server.llm.request import parameters
from server.llm.standin.issued import Issued
from server.llm.standin.signature import Prefix
from server.llm.standin.validation import check_body
from server.llm.transcript import last_turns

TOOL = {"name": "look", "description": "", "input_schema": {"type": "object", "properties": {}}}
BASES = [
    Base("claude-sonnet-5-5"),
    Base("claude-opus-5-5"),
    Base("claude-sonnet-5-5", "Be brief."),
    Base("claude-sonnet-5-5", None, (TOOL,)),
]
THINKING = {"thinking", "redacted_thinking"}


class Conversation:
    """A transcript, as the application keeps it, and the strict service that it is sent to."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.base: Base | None = None
        self.issued = Issued()
        self.bodies: list[dict[str, Any]] = []
        self.epochs: list[int] = []
        self.taken_back: list[int] = []
        self.message = 0
        self.calls = 0

    def add(self, *entries: Entry) -> None:
        for entry in entries:
            number = len(self.entries) + 1
            self.entries.append(
                Entry(entry.kind, entry.content, entry.message_id, number, entry.stop_reason)
            )

    def ask(self, wanted: Base, prompt: str) -> None:
        self.message += 2
        self.add(Entry.of("prompt", [{"type": "text", "text": prompt}], f"m{self.message - 1}"))
        first = self.base.first if self.base is not None else 0
        loaded = [entry for entry in self.entries if entry.number >= first]
        self.base, said = transcripts.with_base(loaded, self.base, wanted)
        if said is not None:
            self.add(said)
            self.epochs.append(len(self.bodies))

    def send(self) -> dict[str, Any]:
        """Build the next request; the strict service takes it."""
        assert self.base is not None
        request = build_request(self.entries, self.base)
        body = parameters(request, find_model(request.model, today()))
        body = json.loads(json.dumps(body))
        check_body(body, self.issued)
        self.bodies.append(body)
        return body

    def hear(self, body: dict[str, Any], blocks: list[dict[str, Any]], stop_reason: str) -> None:
        """The service answers."""
        prefix = Prefix.of(body)
        content: list[dict[str, Any]] = []
        for block in blocks:
            said = dict(block)
            if said["type"] == "thinking":
                said["signature"] = prefix.sign(body["model"], said["thinking"])
            elif said["type"] == "tool_use":
                self.calls += 1
                said["id"] = f"toolu_{self.calls}"
            prefix.say("assistant", said)
            content.append(said)
        self.issued.note(body, {"content": content, "stop_reason": stop_reason})
        entry = Entry.of("reply", content, f"m{self.message}")
        self.add(Entry("reply", entry.content, entry.message_id, stop_reason=stop_reason))
        uses = tool_uses(content)
        if uses:
            results = [tool_result(str(use["id"]), {"found": use["id"]}, None) for use in uses]
            self.add(Entry.of("results", results, f"m{self.message}"))


def today() -> Any:
    from datetime import date

    return date(2026, 6, 1)


def bare(turns: Any) -> list[str]:
    """Turns as bytes, cache breakpoints apart."""
    return [json.dumps(turn, ensure_ascii=False) for turn in turns]


text = st.text(alphabet="ab é\n😀", min_size=1, max_size=12)
block = st.one_of(
    text.map(lambda said: {"type": "text", "text": said}),
    text.map(lambda said: {"type": "thinking", "thinking": said}),
    st.just({"type": "thinking", "thinking": ""}),
)
use = st.just({"type": "tool_use", "name": "look", "input": {"a": [1, "ü"]}})
step = st.tuples(st.lists(block, max_size=4), st.lists(use, max_size=2))
ending = st.sampled_from(["end_turn", "max_tokens", "cut", "refusal", "pause_turn"])
exchange = st.tuples(st.sampled_from(BASES), text, st.lists(step, min_size=1, max_size=3), ending)


BLANK_BEFORE_THINKING = [
    {"type": "text", "text": " "},
    {"type": "thinking", "thinking": ""},
    {"type": "text", "text": "a"},
]


@settings(max_examples=50, deadline=None)
@given(st.lists(exchange, min_size=1, max_size=6))
@example([(BASES[0], "a", [(BLANK_BEFORE_THINKING, [])], "end_turn")])
def test_requests_only_extend_and_the_strict_service_takes_each(exchanges: list[Any]) -> None:
    talk = Conversation()
    for wanted, prompt, steps, end in exchanges:
        talk.ask(wanted, prompt + "?")
        for number, (blocks, uses) in enumerate(steps):
            body = talk.send()
            is_last = number == len(steps) - 1
            calls = uses if wanted.tools else []
            blocks = [*blocks, *calls]
            while blocks and not calls and blocks[-1]["type"] == "thinking":
                blocks.pop()  # the service ends a reply in something else
            if not is_last and not calls:
                talk.hear(body, blocks, "end_turn")
                break
            if not is_last:
                talk.hear(body, blocks, "tool_use")
            elif end == "refusal":
                talk.add(*[Entry("retracted", "[]", f"m{talk.message - n}") for n in (1, 0)])
                talk.taken_back.append(len(talk.bodies))
            elif end == "cut":
                cut_off(talk, blocks)
            elif end == "pause_turn" and is_sendable(blocks):
                talk.hear(body, blocks, "pause_turn")
                paused = talk.send()["messages"][-1]
                assert paused["role"] == "assistant"
                talk.hear(talk.bodies[-1], [{"type": "text", "text": "Well."}], "end_turn")
            else:
                talk.hear(body, blocks, end if end == "max_tokens" else "end_turn")
    talk.ask(exchanges[-1][0], "And now?")
    talk.send()
    for place, (before, after) in enumerate(zip(talk.bodies, talk.bodies[1:], strict=False), 1):
        same = all(before.get(name) == after.get(name) for name in ("model", "system", "tools"))
        assert same == (place not in talk.epochs)
        if same and place not in talk.taken_back:
            assert_extends(before["messages"], after["messages"])


def assert_extends(before: list[Any], after: list[Any]) -> None:
    """The last turn may have grown at its end; all before it is the same, byte for byte."""
    *whole, last = before
    assert bare(after[: len(whole)]) == bare(whole)
    grown = after[len(whole)]
    assert grown["role"] == last["role"]
    assert bare(grown["content"][: len(last["content"])]) == bare(last["content"])


def is_sendable(blocks: list[dict[str, Any]]) -> bool:
    """Whether the service could have paused after them, and taken them back unchanged."""
    texts = [one["text"] for one in blocks if one["type"] == "text"]
    return bool(texts) and all(text.strip() for text in texts) and blocks[-1]["type"] == "text"


def cut_off(talk: Conversation, blocks: list[dict[str, Any]]) -> None:
    """A reply whose stream breaks, and that is resumed and cut off again at once."""
    kept = [one for one in blocks if one["type"] == "text" and one["text"].strip()]
    if kept:
        talk.add(Entry.of("cut", kept, f"m{talk.message}"))
        more = transcripts.continue_entry(talk.entries, f"m{talk.message}")
        assert more is not None
        talk.add(more)
        body = talk.send()
        assert body["messages"][-1]["content"][-1] == continuation(kept)


def test_another_model_system_or_tools_leaves_earlier_thinking_behind() -> None:
    for changed in BASES[1:]:
        talk = Conversation()
        talk.ask(BASES[0], "One?")
        said = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "One."}]
        talk.hear(talk.send(), said, "end_turn")
        talk.ask(BASES[0], "Two?")
        kinds = [one["type"] for one in talk.send()["messages"][1]["content"]]
        assert kinds == ["thinking", "text"], "the same base keeps it"
        talk.hear(talk.bodies[-1], said, "end_turn")
        talk.ask(changed, "Three?")
        body = talk.send()
        assert not any(one["type"] in THINKING for t in body["messages"] for one in t["content"])
        talk.hear(body, said, "end_turn")
        talk.ask(changed, "Four?")
        turns = talk.send()["messages"]
        thought = [any(one["type"] in THINKING for one in turn["content"]) for turn in turns]
        assert thought == [False] * 5 + [True, False], "what came since goes along"


def test_a_history_that_is_too_long_is_cut_at_a_prompt_and_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcripts, "HISTORY_BYTES_MAX", 20_000)
    talk = Conversation()
    for number in range(100):
        talk.ask(BASES[0], f"Question {number}? " + "x" * 300)
        body = talk.send()
        assert body["messages"][0]["role"] == "user"
        assert "Question" in body["messages"][0]["content"][0]["text"]
        assert len(json.dumps(body["messages"])) < 21_000
        talk.hear(body, [{"type": "text", "text": f"Answer {number}. " + "y" * 300}], "end_turn")
    trims = len(talk.epochs) - 1
    assert 2 <= trims <= 12, "between two trims the cache holds"
    for place, (before, after) in enumerate(zip(talk.bodies, talk.bodies[1:], strict=False), 1):
        if place not in talk.epochs:
            assert_extends(before["messages"], after["messages"])


def test_the_last_prompt_goes_along_however_long_it_is() -> None:
    entries = [
        Entry("prompt", "x" * 10, "a", 1), Entry("reply", "y", "b", 2),
        Entry("prompt", "x" * 10_000, "c", 3),
    ]  # fmt: skip
    assert last_turns(entries, 100) == 3


def test_what_was_refused_stays_out_of_every_later_request() -> None:
    talk = Conversation()
    talk.ask(BASES[0], "Good?")
    talk.hear(talk.send(), [{"type": "text", "text": "Good."}], "end_turn")
    talk.ask(BASES[0], "Bad?")
    talk.send()
    talk.add(Entry("retracted", "[]", "m3"), Entry("retracted", "[]", "m4"))
    talk.ask(BASES[0], "Better?")
    said = json.dumps(talk.send()["messages"])
    assert "Bad" not in said
    assert "Better" in said
