"""Long texts of others, stored with their middle left out."""

__all__ = ["TEXT_CHARACTERS_MAX", "shortened"]

TEXT_CHARACTERS_MAX = 20_000
"""Of one text that is kept for people to look at."""


def shortened(text: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """`text`, or its beginning and its end with a mark between that says how much is missing."""
    if len(text) <= characters_max:
        return text
    head, tail = text[: characters_max // 2], text[len(text) - characters_max // 2 :]
    omitted = len(text) - len(head) - len(tail)
    return f"{head}\n[{omitted:,} characters left out]\n{tail}"
