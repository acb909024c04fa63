"""Live results under random writes of every kind, against MongoDB itself.

Schedules are made by hand-rolled generators and not by Hypothesis, because volume matters: a
thousand operations a second, at which Hypothesis would spend more on choosing than all else on
running; they are data, and so they shrink and are kept all the same.
"""

import os
import time
from pathlib import Path

import pytest

from tests.live.live_parts import Wrong
from tests.live.playing import Player, player
from tests.live.schedules import Schedule, schedule
from tests.live.shrinking import shrink

SEED = int(os.environ.get("HEADWATER_SEED", "20261125"))
FUZZ_SECONDS = float(os.environ.get("HEADWATER_FUZZ_SECONDS", "600"))
FUZZ = bool(os.environ.get("HEADWATER_FUZZ"))
SAMPLE, SAMPLE_BULK = 5, 30
REPORTED_EVERY = 10
FAILURES = Path(__file__).parent / "failures" / "schedules"


async def play(playing: Player, made: Schedule) -> None:
    """Play, and where something is wrong keep the smallest schedule that shows it."""
    wrong = await playing.play(made)
    if wrong is not None:
        small, wrong = await shrink(playing.play, made, wrong)
        kept = FAILURES / f"{made.seed}.json"
        kept.write_text(small.to_json() + "\n")
        pytest.fail(f"HEADWATER_SEED={made.seed}, kept as {kept.name}: {described(wrong)}")


def described(wrong: Wrong) -> str:
    return f"{str(wrong)[:4000]}; query: {wrong.query}"


@pytest.mark.parametrize("path", sorted(FAILURES.glob("*.json")), ids=lambda path: path.stem)
async def test_what_once_went_wrong_goes_right(mongo_uri: str, path: Path) -> None:
    kept = Schedule.from_json(path.read_text())  # noqa: ASYNC240  # nothing else runs yet
    async with player(mongo_uri) as playing:
        wrong = await playing.play(kept)
    assert wrong is None, described(wrong)


@pytest.mark.fuzz
async def test_whatever_is_written_live_results_are_what_mongodb_says(mongo_uri: str) -> None:
    print(f"HEADWATER_SEED={SEED}")
    started, number = time.monotonic(), 0
    async with player(mongo_uri) as playing:
        try:
            while number < SAMPLE or (FUZZ and time.monotonic() - started < FUZZ_SECONDS):
                made = schedule(SEED + number) if FUZZ else sampled(SEED + number)
                await play(playing, made)
                number += 1
                if number % REPORTED_EVERY == 0:
                    print(account(playing, started), flush=True)
        finally:
            print(account(playing, started))
            print(", ".join(f"{count:,} {name}" for name, count in playing.kinds.most_common()))


def account(playing: Player, started: float) -> str:
    """What has been played so far, in numbers."""
    counts = ", ".join(f"{count:,} {name}" for name, count in playing.counts.items())
    rate = playing.counts["operations"] / (time.monotonic() - started)
    return f"{counts}; {rate:,.0f} operations a second"


def sampled(seed: int) -> Schedule:
    """A schedule as it is played where time is short."""
    return schedule(seed, bulk_max=SAMPLE_BULK)


def test_a_schedule_survives_being_written_to_a_file() -> None:
    made = sampled(SEED)
    assert Schedule.from_json(made.to_json()).to_json() == made.to_json()
