"""As many of a value's lines as a terminal has room for, with the last change among them."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from server.cli.value_view import CHANGED, Line

__all__ = ["window"]


def window(
    lines: Sequence[Line], console: Console, width: int, height: int, anchor: int
) -> tuple[list[Text], int]:
    """The rows to be shown, and the line that they are about: `anchor` where nothing changed.

    Args:
        lines: Of the whole value.
        console: Wraps them.
        width: Of the terminal.
        height: How many rows there is room for.
        anchor: The line that the rows before were about.
    """
    height, width = max(height, 1), max(width, 1)
    changed = [number for number, line in enumerate(lines) if line.changed]
    anchor = min(changed[-1] if changed else anchor, len(lines) - 1)
    first = max(0, anchor - height)
    rows: list[Text] = []
    about = 0
    for number, line in enumerate(lines[first : anchor + height + 1], first):
        wrapped = line.rows(console, width)
        if number <= anchor:
            about = len(rows) + _last_changed(wrapped)
        rows.extend(wrapped)
    if first == 0 and len(rows) <= height and anchor + height + 1 >= len(lines):
        return rows, anchor
    end = min(len(rows), max(height, about + 1 + height // 3))
    return rows[max(0, end - height) : end], anchor


def _last_changed(rows: Sequence[Text]) -> int:
    marked = [
        number
        for number, row in enumerate(rows)
        if any(CHANGED in str(span.style) for span in row.spans)
    ]
    return marked[-1] if marked else 0
