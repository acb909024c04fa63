"""A reply of the stand-in that was cut goes on as it would have, when it is asked to."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.llm import continuation
from server.llm.standin import Text, ToolUse
from server.llm.standin.improvise import improvise
from tests.llm.test_standin_tools import CLOCK

Turns = list[dict[str, Any]]


def turns(prompt: str, *cuts: str) -> Turns:
    """A conversation whose reply was cut so often, each time after some text."""
    conversation: Turns = [{"role": "user", "content": prompt}]
    for cut in cuts:
        blocks = [{"type": "text", "text": cut}]
        conversation += [
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": [continuation(blocks)]},
        ]
    return conversation


def said(messages: Turns, **more: Any) -> str:
    reply = improvise({"max_tokens": 5_000, "messages": messages, **more}, deltas_per_second=40)
    return "".join(one for part in reply.parts if isinstance(part, Text) for one in part.deltas)


@given(st.text(), st.lists(st.floats(0, 1), max_size=3))
def test_it_goes_on_from_where_it_was_cut_however_often(prompt: str, places: list[float]) -> None:
    whole = said(turns(prompt))
    ends = [0, *sorted(round(place * len(whole)) for place in places)]
    cuts = [whole[a:b] for a, b in itertools.pairwise(ends) if whole[a:b].strip()]
    done = "".join(cuts)
    if whole.startswith(done) and done != whole:  # white space alone is no reply to be quoted
        assert done + said(turns(prompt, *cuts)) == whole


@pytest.mark.parametrize(
    "cut",
    ["Rivers meander bec", "Rivers meander.", "Rivers meander: ", 'He said "no", and', "\n\n"],
)
def test_words_of_somebody_else_are_gone_on_from_too(cut: str) -> None:
    text = said(turns("Why do rivers meander?", cut))
    assert text.strip()
    for instruction in ("cut off", "ended with", "exactly there", "repeat nothing", "interruption"):
        assert instruction not in text.lower()
    if cut.strip():
        assert "river" in text.lower(), "it is still about the prompt"


def test_what_was_said_whole_gets_an_end() -> None:
    whole = said(turns("Why?"))
    assert said(turns("Why?", whole)).strip() == "That was all of it."


def test_the_call_that_it_was_about_to_make_is_made() -> None:
    messages = turns("What is it now?", "Let me as")
    body = {"max_tokens": 5_000, "messages": messages, "tools": [CLOCK]}
    text, call = improvise(body, deltas_per_second=40).parts[1:]
    assert isinstance(text, Text)
    assert "".join(text.deltas) == "k `now`."
    assert isinstance(call, ToolUse)
    assert call.name == "now"


@pytest.mark.parametrize(
    "prompt",
    ['What is "Yes."?', 'Go on about "rain".', "Continue.", '"\\x" go on "', 'Go on: "'],
)
def test_an_ordinary_prompt_is_answered_for_itself(prompt: str) -> None:
    messages = [*turns("Does it rain?"), {"role": "assistant", "content": "Yes."}]
    told = said([*messages, {"role": "user", "content": prompt}])
    assert told.count("\n\n") > 4, "the whole of a reply"
