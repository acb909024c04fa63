"""Clients read and write while everything fails that may: the record is checked, by seed.

A failing schedule is shrunk and kept in `failures/`, and is tried first from then on.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.consistency.schedule import Schedule
from tests.consistency.trial import Stage, Verdict, stage, try_schedule

SEED = int(os.environ.get("HEADWATER_SEED", "20261125"))
FUZZ = bool(os.environ.get("HEADWATER_FUZZ"))
FUZZ_SECONDS = float(os.environ.get("HEADWATER_FUZZ_SECONDS", "600"))
AT_ONCE = 8
FAILURES = Path(__file__).with_name("failures")
SHRINK_TRIES = int(os.environ.get("HEADWATER_SHRINK_TRIES", "20"))


@pytest.fixture(scope="module")
async def here(fast_dir: Path) -> AsyncIterator[Stage]:
    async with stage(fast_dir / "consistency") as made:
        yield made


@pytest.mark.parametrize("path", sorted(FAILURES.glob("*.json")), ids=lambda path: path.stem)
async def test_a_schedule_that_failed_once_passes(here: Stage, path: Path) -> None:
    verdict = await try_schedule(here, Schedule.read(path))
    assert not verdict.faults, "\n".join(verdict.faults)


async def test_with_cuts_and_killed_cursors_nothing_is_torn_lost_or_doubled(here: Stage) -> None:
    await check_all(here, SEED, 6)


@pytest.mark.parametrize("number", range(2))
async def test_with_elections_nothing_is_torn_lost_or_doubled(here: Stage, number: int) -> None:
    await check(here, SEED + 100 + number, heavy=True)


@pytest.mark.fuzz
@pytest.mark.skipif(not FUZZ, reason="long; see make fuzz")
async def test_schedule_after_schedule_nothing_is_torn_lost_or_doubled(here: Stage) -> None:
    until = time.monotonic() + FUZZ_SECONDS
    seed, done, writes, transitions = SEED + 1_000, 0, 0, 0
    print(f"HEADWATER_SEED={SEED}")
    try:
        while time.monotonic() < until:
            verdicts = await check_all(here, seed, AT_ONCE)
            verdicts.append(await check(here, seed + AT_ONCE, heavy=True))
            writes += sum(verdict.writes for verdict in verdicts)
            transitions += sum(verdict.transitions for verdict in verdicts)
            seed += AT_ONCE + 1
            done += AT_ONCE + 1
    finally:
        print(f"{done:,} schedules, {writes:,} writes, {transitions:,} transitions")


async def check(here: Stage, seed: int, *, heavy: bool) -> Verdict:
    """Try the schedule of `seed`; where it fails, keep the smallest that still does."""
    schedule = Schedule.random(seed, heavy=heavy)
    print(f"seed {seed}, heavy: {heavy}")
    return await passed(here, schedule, await try_schedule(here, schedule))


async def check_all(here: Stage, seed: int, count: int) -> list[Verdict]:
    """Try light schedules at once: they trouble one another, and wait together."""
    schedules = [Schedule.random(seed + number, heavy=False) for number in range(count)]
    print(f"seeds {seed} to {seed + count - 1}, heavy: False")
    together = asyncio.Barrier(count)
    verdicts = await asyncio.gather(*(try_schedule(here, one, together) for one in schedules))
    return [
        await passed(here, schedule, verdict)
        for schedule, verdict in zip(schedules, verdicts, strict=True)
    ]


async def passed(here: Stage, schedule: Schedule, verdict: Verdict) -> Verdict:
    """The verdict on `schedule`, if it is without a fault."""
    if verdict.faults:
        print("\n".join(verdict.faults[:20]))
        smaller = await shrunk(here, schedule)
        path = FAILURES / f"seed_{schedule.seed}.json"
        path.write_text(smaller.text(), "utf-8")
        raise AssertionError(
            "\n".join([f"seed {schedule.seed}, kept in {path}", *verdict.faults[:20]])
        )
    return verdict


async def shrunk(here: Stage, schedule: Schedule) -> Schedule:
    """A smaller schedule that fails too, by leaving out steps and observers, bounded."""
    best, tries = schedule, 0
    progress = True
    while progress and tries < SHRINK_TRIES:
        progress = False
        for smaller in best.smaller():
            tries += 1
            if (await try_schedule(here, smaller)).faults:
                best, progress = smaller, True
                break
            if tries >= SHRINK_TRIES:
                break
    return best
