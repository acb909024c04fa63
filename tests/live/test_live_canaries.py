"""Faults planted into the engine, each of which the schedules must find."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from server.live.log import Log
from server.live.read_set import ReadMade
from server.live.rounds import Rounds
from server.live.router import Router
from server.live.terms import TermIndex
from server.live.window import Window
from server.live.within import Within
from tests.live.playing import player
from tests.live.schedules import schedule

SEED = int(os.environ.get("HEADWATER_SEED", "20261125"))
SCHEDULES_MAX, BULK_MAX = 60, 60

Plant = Callable[[pytest.MonkeyPatch], None]


def nobody_follows_one_who_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(window: Any, index: int) -> list[Any]:
        visible = window.visible
        window._delete(index)
        return [window._removed(index, visible)] if index < window._size else []

    monkeypatch.setattr(Window, "_leave", leave)


def nobody_enters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TermIndex, "find", lambda *_: None)


def what_happens_during_a_run_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Rounds._settle
    monkeypatch.setattr(
        Rounds,
        "_settle",
        lambda self, query, outcome, _, asked: settle(self, query, outcome, [], asked),
    )


def a_reader_who_comes_back_is_taken_for_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Log, "cursor_at", lambda self, _: self.end)


def a_log_forgets_when_it_became_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    append = Log.append
    monkeypatch.setattr(
        Log,
        "append",
        lambda self, time, operations, size, _: append(self, time, operations, size, time),
    )


def what_comes_in_does_not_touch_an_awaited_find(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadMade, "_can_be_in", lambda *_: False)


def a_document_stays_a_second_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    departure = Within.departure
    monkeypatch.setattr(Within, "departure", lambda self, document: departure(self, document) + 1)


def a_document_is_let_go_while_others_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    release = Router.release

    def forgetful(self: Any, id_: Any, part: Any) -> None:
        release(self, id_, part)
        self._holders.pop(id_, None)

    monkeypatch.setattr(Router, "release", forgetful)


QUICK = [nobody_follows_one_who_leaves, what_comes_in_does_not_touch_an_awaited_find]
SLOW = [
    nobody_enters,
    what_happens_during_a_run_is_lost,
    a_reader_who_comes_back_is_taken_for_up_to_date,
    a_log_forgets_when_it_became_stale,
    a_document_stays_a_second_longer,
    a_document_is_let_go_while_others_hold_it,
]


def _named(plants: list[Plant]) -> Any:
    return pytest.mark.parametrize("plant", plants, ids=lambda plant: plant.__name__)


@_named(QUICK)
async def test_the_schedules_find_a_planted_fault(
    mongo_uri: str, monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    await _found(mongo_uri, monkeypatch, plant)


@pytest.mark.fuzz
@pytest.mark.skipif(not os.environ.get("HEADWATER_FUZZ"), reason="long; see make fuzz")
@_named(SLOW)
async def test_the_schedules_find_a_fault_that_hides(
    mongo_uri: str, monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    await _found(mongo_uri, monkeypatch, plant)


async def _found(uri: str, monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    print(f"HEADWATER_SEED={SEED}")
    plant(monkeypatch)
    async with player(uri) as playing:
        for number in range(SCHEDULES_MAX):
            made = schedule(SEED + number, bulk_max=BULK_MAX)
            if await playing.play(made) is not None:
                print(f"{plant.__name__}: found by schedule {number + 1}, seed {made.seed}")
                return
    pytest.fail(f"{SCHEDULES_MAX} schedules did not find it")
