"""Words for the stand-in's own replies: what a prompt is about, and choices that follow from it.

Pure and deterministic.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["Choice", "phrases", "pieces", "within"]

_T = TypeVar("_T")

_PROMPT_CHARS_MAX = 2_000
_PHRASE_WORDS_MAX = 2
_WORD_CHARS_MIN, _WORD_CHARS_MAX = 4, 24
_COMMON = {
    "about", "after", "again", "also", "because", "been", "before", "being", "between", "could",
    "difference", "does", "doing", "each", "else", "even", "every", "explain", "from", "give",
    "have", "here", "into", "just", "know", "like", "make", "many", "more", "most", "much", "must",
    "need", "only", "other", "over", "please", "really", "same", "should", "show", "some", "such",
    "tell", "than", "that", "their", "them", "then", "there", "these", "they", "thing", "this",
    "those", "using", "very", "want", "well", "were", "what", "when", "where", "which", "while",
    "will", "with", "work", "works", "would", "write", "your",
}  # fmt: skip


class Choice:
    """Choices that look random and follow from `seed` alone, on every version of Python."""

    def __init__(self, seed: bytes) -> None:
        self._state = hashlib.sha256(seed).digest()

    def below(self, count: int) -> int:
        """A number from 0 on, less than `count`."""
        self._state = hashlib.sha256(self._state).digest()
        return int.from_bytes(self._state[:8]) % count

    def one(self, options: Sequence[_T]) -> _T:
        """One of the options."""
        return options[self.below(len(options))]

    def some(self, options: Sequence[_T], count: int) -> list[_T]:
        """So many different options, in their own order."""
        left = list(range(len(options)))
        while len(left) > count:
            left.pop(self.below(len(left)))
        return [options[index] for index in left]


def phrases(prompt: str) -> list[str]:
    """What the prompt is about: its runs of telling words, in order, each once."""
    found: dict[str, str] = {}
    run: list[str] = []
    for word in [*re.findall(r"[^\W_]+|[^\w\s]", prompt[:_PROMPT_CHARS_MAX]), "."]:
        if _tells(word) and len(run) < _PHRASE_WORDS_MAX:
            run.append(word)
            continue
        if run:
            phrase = " ".join(run)
            found.setdefault(phrase.lower(), phrase)
        run = [word] if _tells(word) else []
    return list(found.values())


def _tells(word: str) -> bool:
    return word.lower() not in _COMMON and (
        word.isupper() or _WORD_CHARS_MIN <= len(word) <= _WORD_CHARS_MAX
    )


def pieces(text: str, choose: Choice) -> Iterator[str]:
    """The text in pieces of one to three words, which join to the text again."""
    words = re.findall(r"\s*\S+|\s+$", text)
    at = 0
    while at < len(words):
        count = 1 + choose.below(3)
        yield "".join(words[at : at + count])
        at += count


def within(deltas: Sequence[str], room: int) -> Iterator[str]:
    """The pieces that fit into `room` characters, the last one cut."""
    for delta in deltas:
        if room <= 0:
            return
        yield delta[:room]
        room -= len(delta)
