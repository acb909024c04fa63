"""Intervals are found by what they overlap, as a walk of all of them would find them."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from server.live.intervals import BLOCK_SIZE_MAX, Intervals
from server.live.keys import Key

ENDS = st.integers(0, 12).map(lambda end: (end,))
ENTRIES = st.lists(st.tuples(ENDS, ENDS, st.integers(0, 3)), max_size=60)


def naive(entries: list[tuple[Key, Key, object]], low: Key, high: Key) -> list[object]:
    return [item for start, end, item in entries if start <= high and end >= low]


@settings(deadline=None)
@given(ENTRIES, st.lists(st.integers(0, 200), max_size=40), st.tuples(ENDS, ENDS))
def test_intervals_that_come_and_go_are_found_as_a_walk_finds_them(
    added: list[tuple[Key, Key, int]], removed: list[int], asked: tuple[Key, Key]
) -> None:
    intervals = Intervals[int]()
    entries: list[tuple[Key, Key, int]] = []
    for entry in added:
        intervals.add(*entry)
        entries.append(entry)
    for number in removed:
        if entries:
            intervals.remove(*entries.pop(number % len(entries)))
    assert sorted(intervals.overlapping(*asked)) == sorted(naive(entries, *asked))  # type: ignore[arg-type]
    assert bool(intervals) == bool(entries)


def test_many_intervals_are_found_after_their_blocks_were_divided_and_emptied() -> None:
    rng = random.Random(20261126)
    intervals = Intervals[int]()
    entries: list[tuple[Key, Key, int]] = []
    for number in range(20 * BLOCK_SIZE_MAX):
        low = rng.randrange(400)  # many begin at the same place
        entries.append(((low,), (low + rng.randrange(-3, 50),), number))
        intervals.add(*entries[-1])
        if rng.random() < 0.4:
            intervals.remove(*entries.pop(rng.randrange(len(entries))))
    for low in range(0, 450, 7):
        for width in (0, 1, 30):
            asked = ((low,), (low + width,))
            assert sorted(intervals.overlapping(*asked)) == sorted(naive(entries, *asked))  # type: ignore[arg-type]
    while entries:
        intervals.remove(*entries.pop())
    assert not intervals


def test_what_was_never_added_is_not_removed() -> None:
    intervals = Intervals[str]()
    intervals.add((1,), (2,), "a")
    intervals.remove((1,), (3,), "a")
    intervals.remove((1,), (2,), "b")
    assert list(intervals.overlapping((0,), (9,))) == ["a"]
