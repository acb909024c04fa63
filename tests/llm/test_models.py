from datetime import date, timedelta

import pytest

from server.llm import (
    DEFAULT_MODEL,
    KNOWN_MODELS,
    OUTPUT_TOKENS_DEFAULT,
    ChatRequest,
    ModelRetired,
    ModelUnknown,
    find_model,
)
from server.llm.request import parameters

TODAY = date(2026, 11, 1)
RETIREMENT = date(2026, 11, 30)
USER = ChatRequest(messages=[{"role": "user", "content": "Hello"}])


def test_the_default_model_is_offered():
    assert DEFAULT_MODEL == "claude-sonnet-5-5"
    assert find_model(DEFAULT_MODEL, date(2099, 1, 1)).name == DEFAULT_MODEL


def test_sonnet_4_5_is_accepted_until_the_day_of_its_retirement():
    assert find_model("claude-sonnet-4-5", RETIREMENT - timedelta(days=1))
    with pytest.raises(ModelRetired, match="Use claude-sonnet-5-5 instead") as caught:
        find_model("claude-sonnet-4-5", RETIREMENT)
    assert caught.value.code == "claude_model_retired"
    assert not caught.value.retryable


def test_a_model_newer_than_this_program_is_passed_through_without_options():
    model = find_model("claude-limerick-9", TODAY)
    assert parameters(USER, model) == {
        "model": "claude-limerick-9",
        "max_tokens": OUTPUT_TOKENS_DEFAULT,
        "messages": [{"role": "user", "content": "Hello"}],
    }


def test_a_name_that_is_no_claude_model_is_refused_with_those_that_are():
    with pytest.raises(ModelUnknown, match=r"'gpt-4' is not a Claude model.*claude-opus-5-5"):
        find_model("gpt-4", TODAY)


@pytest.mark.parametrize("name", sorted(KNOWN_MODELS))
def test_no_model_is_sent_sampling_options_or_more_than_it_can_write(name: str):
    model = find_model(name, TODAY)
    body = parameters(USER, model)
    assert not body.keys() & {"temperature", "top_p", "top_k"}
    assert body["max_tokens"] <= model.output_tokens_max


def test_thinking_is_asked_for_in_the_form_each_model_takes():
    def thinking(name: str, *, wanted: bool, max_tokens: int = 8_192):
        return find_model(name, TODAY).thinking_parameter(wanted=wanted, max_tokens=max_tokens)

    shown = {"type": "adaptive", "display": "summarized"}
    kept_back = {"type": "adaptive", "display": "omitted"}
    assert thinking("claude-sonnet-5-5", wanted=True) == shown
    assert thinking("claude-sonnet-5-5", wanted=False) == {"type": "between_tools"}
    assert thinking("claude-haiku-5-5", wanted=False) == {"type": "disabled"}
    assert thinking("claude-opus-5-5", wanted=False) == kept_back
    assert thinking("claude-fable-5-2", wanted=True) == shown
    assert thinking("claude-sonnet-4-5", wanted=False) is None
    assert thinking("claude-sonnet-4-5", wanted=True) == {"type": "enabled", "budget_tokens": 4_096}
    assert thinking("claude-sonnet-4-5", wanted=True, max_tokens=1_024) is None
