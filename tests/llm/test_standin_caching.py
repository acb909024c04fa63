"""Prompt caching: what a request reads of what earlier ones wrote."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.llm.standin import ClaudeStandin, Reply, Text
from server.llm.standin.caching import PromptCache, PromptTokens

SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}


def text(words: str, control: dict[str, Any] | None = None) -> dict[str, Any]:
    block = {"type": "text", "text": words}
    return block | {"cache_control": control} if control else block


def body(*said: str, **change: Any) -> dict[str, Any]:
    """A conversation, cached up to its end."""
    return {
        "model": "claude-sonnet-5-5",
        "tools": [{"name": "now", "input_schema": {"type": "object"}}],
        "system": [text("Be brief.", SHORT)],
        "messages": [
            {"role": ("user", "assistant")[n % 2], "content": [text(words)]}
            for n, words in enumerate(said)
        ],
        "cache_control": SHORT,
        **change,
    }


def whole(tokens: PromptTokens) -> int:
    return tokens.fresh + tokens.written_5m + tokens.written_1h + tokens.read


def test_a_conversation_that_only_grows_is_read_again_and_only_its_end_is_written():
    cache = PromptCache()
    first = cache.count(body("Hello"))
    assert (first.fresh, first.read) == (0, 0)
    second = cache.count(body("Hello", "Hi.", "And?"))
    assert (second.fresh, second.read) == (0, whole(first))
    assert second.written_5m == whole(second) - whole(first) > 0
    again = cache.count(body("Hello", "Hi.", "And?"))
    assert (again.fresh, again.written_5m, again.read) == (0, 0, whole(second))


def put(*path: Any) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        *steps, name, new = path
        for step in steps:
            value = value[step]
        value[name] = new

    return change


@pytest.mark.parametrize(
    ("change", "reads"),
    [
        (put("tools", 0, "description", "The time."), "nothing"),
        (put("model", "claude-opus-5-5"), "nothing"),
        (put("system", 0, "text", "Be kind."), "nothing"),
        (put("thinking", {"type": "adaptive"}), "tools and system"),
        (put("tool_choice", {"type": "none"}), "tools and system"),
        (put("messages", 0, "content", 0, "text", "Hello!"), "tools and system"),
        (put("messages", 0, "content", "Hello"), "all"),
        (put("system", "Be brief."), "all"),
        (put("max_tokens", 7), "all"),
    ],
)
def test_a_change_costs_what_comes_after_it(change: Callable[[Any], None], reads: str):
    cache = PromptCache()
    before = cache.count(body("Hello"))
    changed = deepcopy(body("Hello", "Hi.", "And?"))
    change(changed)
    read = cache.count(changed).read
    assert {"nothing": read == 0, "all": read == whole(before)}.get(reads, 0 < read < whole(before))


def test_without_a_breakpoint_nothing_is_kept_or_read():
    cache = PromptCache()
    plain = body("Hello", system="Be brief.")
    del plain["cache_control"]
    for _ in range(2):
        counted = cache.count(plain)
        assert counted == PromptTokens(whole(counted))


def test_a_breakpoint_looks_twenty_blocks_back():
    for blocks, is_found in ((19, True), (20, False)):
        cache = PromptCache()
        first = body("Hello", system="Be brief.")
        cache.count(first)
        longer = deepcopy(first)
        longer["messages"][0]["content"] += [text(f"{n}") for n in range(blocks)]
        assert (cache.count(longer).read > 0) is is_found


def test_an_hour_is_counted_apart():
    counted = PromptCache().count(body("Hello", system=[text("Be brief.", LONG)]))
    assert counted.written_1h > 0
    assert counted.written_5m > 0


def test_a_prompt_shorter_than_the_bound_is_not_cached():
    for tokens_min, is_cached in ((1, True), (1_024, False)):
        cache = PromptCache(tokens_min)
        cache.count(body("Hello"))
        assert (cache.count(body("Hello")).read > 0) is is_cached
    long = body("Hello" * 1_024)
    cache = PromptCache(1_024)
    cache.count(long)
    assert cache.count(long).read > 1_024


@given(st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=9), st.data())
def test_what_is_counted_is_always_the_whole(said: list[str], data: st.DataObject):
    cache = PromptCache()
    size = whole(PromptCache().count(body(*said)))
    for _ in range(3):
        asked = body(*said)
        if data.draw(st.booleans()):
            del asked["cache_control"]
        at = data.draw(st.integers(0, len(said) - 1))
        asked["messages"][at]["content"][0]["cache_control"] = SHORT
        assert whole(cache.count(asked)) == size


def test_the_sdk_is_told():
    with ClaudeStandin() as standin:
        standin.script.add(*[Reply([Text(["Hi."])])] * 2)
        client = anthropic.Anthropic(base_url=standin.base_url, api_key="any")
        asked: dict[str, Any] = body("Hello") | {"max_tokens": 100}
        usages = [client.messages.create(**asked).usage for _ in range(2)]
        client.close()
    written, read = usages
    assert written.cache_creation is not None
    assert written.cache_creation.ephemeral_5m_input_tokens == written.cache_creation_input_tokens
    assert (written.cache_creation_input_tokens, written.cache_read_input_tokens) == (
        read.cache_read_input_tokens,
        read.cache_creation_input_tokens,
    )
