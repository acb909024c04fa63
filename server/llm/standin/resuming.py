"""Goes on with a reply that was cut, where the user's turn quotes its end and asks for the rest.

Pure and deterministic. What the stand-in improvised it says again from the same conversation, and
leaves out what was said; for the words of somebody else it finds an end.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from server.llm.standin.signature import blocks_of

__all__ = ["rest_of", "without_resuming"]

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ASKS = re.compile(r"\b(?:go|carry) on\b|\bcontinue\b|\bresume\b", re.I)
_END_CHARS = 100
_PROMPT_CHARS_MAX = 10_000
_LINE_BREAK = re.compile(r"\n\n")


def without_resuming(messages: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], str]:
    """The conversation as it was when the reply was begun, and what has been said of the reply."""
    known = list(messages)
    said = ""
    while (cut := _cut_text(known)) is not None:
        said = cut + said
        del known[-2:]
    return known, said


def _cut_text(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """What the assistant's turn said that the last turn quotes the end of; None if it does not."""
    if len(messages) < 3 or messages[-2]["role"] != "assistant":
        return None
    asked = _text(messages[-1])[:_PROMPT_CHARS_MAX]
    text = _text(messages[-2])
    is_quoted = any(_is_end(said, text) for said in map(_unquoted, _QUOTED.findall(asked)))
    return text if is_quoted and _ASKS.search(asked) else None


def _is_end(said: str, text: str) -> bool:
    """Whether `said` is enough of the end of `text` to be quoted for going on from there."""
    return bool(said.strip()) and text.endswith(said) and len(said) >= min(len(text), _END_CHARS)


def _unquoted(literal: str) -> str:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return ""


def rest_of(text: str, said: str) -> str:
    """What follows `said` where the whole is `text`, or could be."""
    if text.startswith(said):
        return text[len(said) :] or "\n\nThat was all of it."
    paragraphs = _LINE_BREAK.split(text)
    if said.rstrip().endswith((".", "!", "?", ":")):
        link = "" if said[-1].isspace() else "\n\n"
    elif said[-1].isspace():
        link = "and so on to its end.\n\n"
    else:
        link = ", and so on to its end.\n\n"
    return link + "\n\n".join(paragraphs[1:] or paragraphs)


def _text(message: Mapping[str, Any]) -> str:
    return "".join(
        str(block.get("text", "")) for block in blocks_of(message) if block.get("type") == "text"
    )
