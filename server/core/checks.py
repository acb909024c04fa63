"""One thing that was looked at before serving, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "problem"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What it is, in a word or two.
        state: ``ok``; ``note``, where it need not be as it is; ``problem``, where something will
            not work.
        says: What was found.
        cure: What to do, in a sentence; None where there is nothing to do.
    """

    name: str
    state: Literal["ok", "note", "problem"]
    says: str
    cure: str | None = None


def problem(name: str, sentence: str) -> Check:
    """A problem, of a sentence that ends in its cure, after the last semicolon."""
    says, _, cure = sentence.rpartition("; ")
    return Check(name, "problem", says or cure, f"{cure[0].upper()}{cure[1:]}" if says else None)
