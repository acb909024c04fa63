"""The judgement on a trial: what observers and writers recorded, against what really happened."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tests.consistency.history import History, Time, amounts, expected
from tests.consistency.observer import Observer, Seen
from tests.consistency.writer import Knowledge


def judge(history: History, observers: list[Observer], knowledge: Knowledge) -> list[str]:
    """Everything that is wrong, as sentences; none where all promises were kept."""
    return [
        *(f"history: {said}" for said in _history_is_sound(history)),
        *(f"writers: {said}" for said in _writes_were_made_once(history, knowledge)),
        *(f"reads: {said}" for said in _reads_are_current(history, knowledge)),
        *(
            f"observer {number} ({one.kind}{', strict' * one.strict}): {said}"
            for number, one in enumerate(observers)
            for said in (
                *one.complaints,
                *_never_steps_back(one),
                *_holds_what_was_true(one, history),
                *_nothing_is_torn(one),
            )
        ),
    ]


def _history_is_sound(history: History) -> Iterator[str]:
    """The oracle itself: transfers keep the total."""
    totals = {amounts(state) for state in history.states}
    if totals != {0}:
        yield f"the total was {totals}"


def _writes_were_made_once(history: History, knowledge: Knowledge) -> Iterator[str]:
    for write in history.doubled():
        yield f"{write} was made twice, at {history.made[write]}"
    for write, time in knowledge.acknowledged.items():
        if write not in history.made:
            yield f"{write} was acknowledged at {time} and is lost"
        elif history.made[write][0] > time:
            yield f"{write} was acknowledged at {time} and made at {history.made[write]}"
    yield from knowledge.complaints


def _reads_are_current(history: History, knowledge: Knowledge) -> Iterator[str]:
    for read in knowledge.reads:
        if read.time < read.known:
            yield f"a read asked for after {read.known} is of {read.time}"
        if read.picture != expected("everything", history.at(read.time)):
            yield f"the read at {read.time} is {read.picture}"


def _never_steps_back(observer: Observer) -> Iterator[str]:
    """A client that continues is never told less than it knew."""
    for before, after in pairwise(observer.seen):
        if before.connection == after.connection or after.continues:
            if after.time < before.time:
                yield f"{before.time} is followed by {after.time}"
            for id_, picture in after.pictures.items():
                yield from _versions_step_back(id_, before.pictures.get(id_), picture)


def _versions_step_back(id_: str, before: Any, after: Any) -> Iterator[str]:
    if id_ in ("total", "book") or before is None or after is before:
        return
    known = {one[0]: one[3] for one in before}
    for account, _, _, version, _ in after:
        if version < known.get(account, 0):
            yield f"{id_}: {account} went back from version {known[account]} to {version}"


def _holds_what_was_true(observer: Observer, history: History) -> Iterator[str]:
    """At a settled position every query is what it was then; at others, what it was since."""
    settled_at: Time = (0, 0)
    connection = 0
    for seen in observer.seen:
        if seen.connection != connection and not seen.continues:
            settled_at = (0, 0)
        connection = seen.connection
        state = history.at(seen.time)
        for id_, picture in seen.pictures.items():
            if id_ in seen.at:
                candidates = [history.at(seen.at[id_])]
            elif seen.settled:
                candidates = [state]
            else:
                candidates = history.between(settled_at, seen.time)
            if not any(expected(id_, one) == picture for one in candidates):
                yield (
                    f"{id_} at {seen.time} (settled: {seen.settled}, at: {seen.at.get(id_)}, "
                    f"connection {seen.connection}) is {picture}, and was "
                    f"{expected(id_, candidates[-1])}"
                )
                return
        if seen.settled:
            settled_at = seen.time


def _nothing_is_torn(observer: Observer) -> Iterator[str]:
    """Judged by what the client holds alone: totals, sides, versions."""
    for seen in observer.seen:
        if not seen.settled or seen.at or len(seen.pictures) < len(observer.queries):
            continue
        yield from _torn(seen)


def _torn(seen: Seen) -> Iterator[str]:
    pictures = seen.pictures
    if "everything" not in pictures or len(pictures) == 1:
        return
    everything = pictures["everything"]
    if sum(one[2] for one in everything):
        yield f"at {seen.time} the amounts sum up to {sum(one[2] for one in everything)}"
    if pictures["total"] != {"amount": 0, "entries": len(pictures["book"])}:
        yield f"at {seen.time} the total is {pictures['total']}"
    if sorted(pictures["left"] + pictures["right"]) != sorted(everything):
        yield f"at {seen.time} left and right are not everything"
    latest: dict[str, int] = {}
    written: dict[str, dict[str, int]] = {}
    for entry, _, versions in pictures["book"]:
        written[entry] = dict(versions)
        for account, version in versions:
            latest[account] = max(version, latest.get(account, 0))
    for account, _, _, version, writer in everything:
        if version < latest.get(account, 0):
            yield f"at {seen.time} {account} has version {version}, and its entry {latest[account]}"
        if writer in written and written[writer].get(account) != version:
            yield f"at {seen.time} {account} has version {version}, which {writer} did not write"
