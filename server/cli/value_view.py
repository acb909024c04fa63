"""A value as lines for a terminal, with what changed marked.

Values that grew from one another share what did not change; so what is the same object as before
is unmarked at a glance.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, cast

from rich.console import Console
from rich.text import Text

from server.cli.printable import printable_json

__all__ = ["CHANGED", "Line", "value_lines"]

LINES_MAX = 5_000
_DEPTH_MAX = 100
_INDENT = 2
_NEW: Any = object()
"""In the place of what was before, where nothing was."""

CHANGED = "reverse"
_KEY, _TEXT, _NUMBER, _WORD, _DIM = "cyan", "green", "magenta", "yellow", "dim"


class Line(NamedTuple):
    """One line, before it is wrapped.

    Attributes:
        indent: How far it is from the left, in columns, and what it is wrapped into too.
        parts: Text and style, from left to right.
        changed: Whether something in it is marked.
    """

    indent: int
    parts: list[tuple[str, str]]
    changed: bool = False

    def rows(self, console: Console, width: int) -> list[Text]:
        """The line in rows of `width` columns at most."""
        text = Text.assemble(*self.parts)
        indent = self.indent if self.indent < width // 2 else 0
        if text.cell_len + indent > width:
            rows = list(text.wrap(console, max(width - indent, 1), overflow="fold"))
        else:
            rows = [text]
        return [Text(" " * indent).append_text(row) for row in rows]


def value_lines(value: Any, old: Any) -> list[Line]:
    """`value`, with what is other than in `old` marked; `value` as `old` marks nothing."""
    every = _lines(value, old, 0, [], "")
    lines = list(islice(every, LINES_MAX))
    if next(every, None) is not None:
        lines.append(Line(0, [(f"… the rest is beyond {LINES_MAX:,} lines", _DIM)]))
    return lines


def _lines(
    value: Any, old: Any, depth: int, prefix: list[tuple[str, str]], end: str
) -> Iterator[Line]:
    pad = _INDENT * depth
    if depth > _DEPTH_MAX:
        yield Line(pad, [*prefix, ("…", _DIM), (end, "")])
    elif isinstance(value, dict) and value:
        found = cast("dict[str, Any]", value)
        before = cast("dict[str, Any]", old) if isinstance(old, dict) else None
        yield _bracket(pad, prefix, "{", "", is_new=before is None)
        for left, (key, one) in zip(range(len(found) - 1, -1, -1), found.items(), strict=True):
            was = _NEW if before is None else before.get(key, _NEW)
            name = [(printable_json(key), _KEY), (": ", "")]
            yield from _lines(one, was, depth + 1, name, "," if left else "")
        gone = before is not None and any(key not in found for key in before)
        yield _bracket(pad, [], "}", end, is_new=gone or before is None)
    elif isinstance(value, list) and value:
        items = cast("list[Any]", value)
        before = cast("list[Any]", old) if isinstance(old, list) else None
        yield _bracket(pad, prefix, "[", "", is_new=before is None)
        counterparts = [_NEW] * len(items) if before is None else _counterparts(items, before)
        for left, one, was in zip(range(len(items) - 1, -1, -1), items, counterparts, strict=True):
            yield from _lines(one, was, depth + 1, [], "," if left else "")
        kept = sum(was is not _NEW for was in counterparts)
        yield _bracket(pad, [], "]", end, is_new=before is None or kept < len(before))
    elif isinstance(value, str):
        yield from _text_lines(value, old, pad, prefix, end)
    else:
        scalar = cast("object", value)
        style = _WORD if scalar is None or isinstance(scalar, bool) else _NUMBER
        same = type(scalar) is type(old) and scalar == old
        marked = style if same else f"{style} {CHANGED}"
        yield Line(pad, [*prefix, (printable_json(scalar), marked), (end, "")], changed=not same)


def _bracket(
    pad: int, prefix: list[tuple[str, str]], bracket: str, end: str, *, is_new: bool
) -> Line:
    return Line(pad, [*prefix, (bracket, CHANGED if is_new else ""), (end, "")], changed=is_new)


def _text_lines(
    value: str, old: Any, pad: int, prefix: list[tuple[str, str]], end: str
) -> Iterator[Line]:
    """A text in quotes; its line feeds are line feeds here. Of one that grew, the end is marked."""
    known = len(old) if isinstance(old, str) and value.startswith(old) else -1
    rows = value.split("\n")
    at = 0
    for number, row in enumerate(rows):
        is_first, is_last = number == 0, number == len(rows) - 1
        split = min(max(known - at, 0), len(row))
        before, after = _escaped(row[:split]), _escaped(row[split:])
        mark = CHANGED if known < 0 else ""
        parts = [
            *(prefix if is_first else []),
            ('"' if is_first else "", f"{_TEXT} {mark}"),
            (before, _TEXT),
            (after, f"{_TEXT} {CHANGED}"),
            ('"' if is_last else "", f"{_TEXT} {mark}"),
            (end if is_last else "", ""),
        ]
        changed = known < 0 or at + len(row) > known
        yield Line(pad if is_first else pad + _INDENT, parts, changed=changed)
        at += len(row) + 1


def _escaped(text: str) -> str:
    return printable_json(text)[1:-1]


def _counterparts(items: list[Any], before: list[Any]) -> list[Any]:
    """What each was before: documents by their ``_id``, others by their place."""
    by_id = {_id(one): one for one in before if _id(one) is not None}
    return [
        by_id.get(_id(one), _NEW)
        if _id(one) is not None
        else (before[place] if place < len(before) else _NEW)
        for place, one in enumerate(items)
    ]


def _id(value: Any) -> str | None:
    found = cast("Mapping[str, Any]", value).get("_id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None
