"""What others wrote, as a terminal may see it."""

import json
from typing import Any

__all__ = ["printable", "printable_json"]


def printable(text: str) -> str:
    """`text` without what a terminal would obey; tabs stay."""
    return "".join(one if one.isprintable() or one == "\t" else "\ufffd" for one in text)


def printable_json(value: Any, indent: int | None = None) -> str:
    """`value` as JSON, of which a terminal obeys nothing and which loses nothing."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text
    )
