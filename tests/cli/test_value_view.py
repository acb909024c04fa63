"""A value as lines: all of it, what changed marked, and as much as there is room for."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from server.cli.value_view import CHANGED, LINES_MAX, Line, value_lines
from server.cli.window import window

CONSOLE = Console(file=io.StringIO(), width=40)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


def plain(lines: list[Line]) -> list[str]:
    return [" " * line.indent + "".join(text for text, _ in line.parts) for line in lines]


def marked(lines: list[Line]) -> list[str]:
    return [text for line in lines for text, style in line.parts if CHANGED in style and text]


@given(VALUES, VALUES)
def test_the_lines_are_the_value_and_a_terminal_obeys_none_of_them(value: Any, old: Any) -> None:
    lines = plain(value_lines(value, old))
    assert json.loads("\n".join(lines)) == value
    assert all(line.isprintable() for line in lines)


@given(VALUES)
def test_a_value_that_did_not_change_has_no_mark(value: Any) -> None:
    assert marked(value_lines(value, value)) == []


def test_what_changed_is_marked_and_nothing_else() -> None:
    old = [{"_id": "a", "n": 1, "t": "Hello"}, {"_id": "b", "n": True, "gone": 1}]
    new = [
        {"_id": "c", "n": []},
        {"_id": "b", "n": 1},
        {"_id": "a", "n": 1, "t": "Hello, you"},
    ]
    assert marked(value_lines(new, old)) == [
        *("{", '"', "c", '"', "[]", "}"),
        "1",
        "}",  # something is gone from there
        ", you",
    ]


def test_line_feeds_in_a_text_are_line_feeds_and_only_what_was_appended_is_marked() -> None:
    lines = value_lines({"t": "one\ntwo\nthree"}, {"t": "one\ntw"})
    assert plain(lines) == ["{", '  "t": "one', "    two", '    three"', "}"]
    assert marked(lines) == ["o", "three"]
    assert [line.changed for line in lines] == [False, False, True, True, False]
    assert marked(value_lines("a\nb", "a")) == ["b"]
    assert marked(value_lines("other", "one")) == ['"', "other", '"']


def test_a_value_without_end_is_cut() -> None:
    lines = value_lines(list(range(LINES_MAX * 2)), None)
    assert len(lines) == LINES_MAX + 1
    assert "beyond" in plain(lines)[-1]
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    assert any("…" in line for line in plain(value_lines(deep, None)))


def numbered(count: int, *changed: int) -> list[Line]:
    return [
        Line(0, [(f"line {n}", CHANGED if n in changed else "")], changed=n in changed)
        for n in range(count)
    ]


@pytest.mark.parametrize("anchor", [0, 7])
def test_what_fits_is_shown_whole(anchor: int) -> None:
    rows, _ = window(numbered(8), CONSOLE, 40, 8, anchor)
    assert [row.plain for row in rows] == [f"line {n}" for n in range(8)]


@given(st.integers(1, 60), st.integers(1, 20), st.sets(st.integers(0, 59)), st.integers(0, 80))
def test_the_last_change_is_always_among_the_rows(
    count: int, height: int, changed: set[int], anchor: int
) -> None:
    lines = numbered(count, *changed)
    rows, about = window(lines, CONSOLE, 40, height, anchor)
    assert len(rows) == min(count, height)
    shown = [row.plain for row in rows]
    assert f"line {about}" in shown
    here = [n for n in changed if n < count]
    assert about == (max(here) if here else min(anchor, count - 1))


def test_the_end_of_a_long_text_that_grows_is_shown() -> None:
    old = "word " * 400
    rows, _ = window(value_lines(old + "LAST", old), CONSOLE, 40, 10, 0)
    assert len(rows) == 10
    assert any("LAST" in row.plain for row in rows)
    assert all(row.cell_len <= 40 for row in rows)
