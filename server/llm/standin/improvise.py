"""What the stand-in says when nobody has told it what to say.

Pure and deterministic: everything follows from the conversation, so that the same request reads
the same everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from server.llm.standin.prose import SIGNATURE, compose
from server.llm.standin.resuming import rest_of, without_resuming
from server.llm.standin.script import Part, Reply, Text, Thinking, ToolUse
from server.llm.standin.signature import blocks_of
from server.llm.standin.tool_talk import answer, calls
from server.llm.standin.words import Choice, phrases, pieces, within

__all__ = ["improvise"]

_CHARS_PER_TOKEN = 4
_THINKING_DELAY_MS = 400
_THOUGHT_AGAIN = "It broke off in the middle; the rest is still clear. "
_CALLING_TOKENS_MIN = 256
"""With less room than this no tool is called: the call might be cut."""


def improvise(body: dict[str, Any], *, deltas_per_second: float) -> Reply:
    """A reply to the request `body`, cut where ``max_tokens`` ends.

    Tools that the prompt mentions are called, all at once; their results are answered; else it is
    a text of a few hundred words. A reply that was cut, and whose end the prompt quotes, goes on
    as it would have.
    """
    messages, said = without_resuming(body["messages"])
    body = {**body, "messages": messages}
    choose = Choice(orjson.dumps(messages, option=orjson.OPT_SORT_KEYS))
    room = int(body["max_tokens"]) * _CHARS_PER_TOKEN
    prompt = _prompt(messages)
    tool_calls: Sequence[ToolUse] = ()
    if (told := answer(messages)) is not None:
        thinking, text = "The results are in; what is left is to say what they mean. ", told
        text = f"{text}\n\n{SIGNATURE}"
    elif body["max_tokens"] >= _CALLING_TOKENS_MIN and (tool_calls := calls(body, prompt)):
        names = " and ".join(f"`{call.name}`" for call in tool_calls)
        thinking = f"This wants {names}, since guessing would be worse than asking. "
        text = f"Let me ask {names}."
    else:
        thinking, text = compose(phrases(prompt), choose)
    if said:
        thinking, text = _THOUGHT_AGAIN, rest_of(text, said)
    thinking_deltas = list(pieces(thinking.rstrip(), choose))
    text_deltas = list(pieces(text, choose))
    kept = list(within(text_deltas, room))
    parts: list[Part] = [Thinking(thinking_deltas), Text(kept), *tool_calls]
    return Reply(
        parts=parts,
        stop_reason=None if len(kept) == len(text_deltas) else "max_tokens",
        delay_ms=_THINKING_DELAY_MS if deltas_per_second < float("inf") else 0,
        delta_interval_ms=1000 / deltas_per_second,
    )


def _prompt(messages: Sequence[Mapping[str, Any]]) -> str:
    users = [message for message in messages if message["role"] == "user"]
    return " ".join(str(block.get("text", "")) for block in blocks_of(users[-1]))
