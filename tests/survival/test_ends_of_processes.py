"""A server is killed, frozen or told to stop at every event of a reply; the reply comes through.

Each reply is held at a point of its own, all of them on one process, and then that process ends:
so one kill hits as many points as there are replies.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Literal, get_args

import pytest

from server.llm.standin import Stalled
from server.llm.standin.faults import Failure
from tests.headwater_command import Server
from tests.survival.conversation import Shown, shown, shown_of
from tests.survival.judgement import asked_no_more_than_needed, judge
from tests.survival.stage import ANYWHERE, EVERY_POINT, Meddle, Point, Run, Stage, resume, staged
from tests.waiting import eventually

SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
FUZZ = bool(os.environ.get("HEADWATER_FUZZ"))
FUZZ_SECONDS = float(os.environ.get("HEADWATER_FUZZ_SECONDS", "600"))
AT_ONCE = 10
LEASE_SECONDS = "0.9" if FUZZ else "2"

Fate = Literal["killed", "frozen", "stopped"]
FATES: tuple[Fate, ...] = get_args(Fate)


def held_at(point: Point, go_on: asyncio.Event) -> Meddle:
    """Hold the first reply of that step, and no other."""
    failures: list[Failure] = [] if point.tools else [Stalled(at_event=point.event, until=go_on)]
    return lambda step: failures.pop() if step == point.step and failures else None


async def meet(
    stage: Stage, points: Sequence[Point], fate: Fate, *, auto_resume: float = 0.3
) -> None:
    """Hold a reply at each point, let their process meet its fate, and judge what comes of them.

    Args:
        stage: Where.
        points: Where the replies are held.
        fate: Of the process that writes them.
        auto_resume: What share of them is to be resumed by a sweep.
    """
    go_on = asyncio.Event()
    async with AsyncExitStack() as stack:
        doomed = await stack.enter_async_context(stage.process())

        async def begin(point: Point) -> Run:
            auto = stage.random.random() < auto_resume
            run = stage.begun(doomed, point, held_at(point, go_on), auto_resume=auto)
            return await stack.enter_async_context(run)

        runs = await asyncio.gather(*(begin(point) for point in points))
        hit = sum(await asyncio.gather(*(run.held() for run in runs)))
        if ANYWHERE in points:
            await asyncio.sleep(stage.random.uniform(0, 1))
        began = time.monotonic()
        await _end(doomed, fate)
        go_on.set()
        await stage.open_gates()
        took = await asyncio.gather(*(_come_through(stage, run, began) for run in runs))
        alive = list(stage.staying)
        if fate == "frozen":
            os.kill(doomed.command.process.pid, signal.SIGCONT)
            await doomed.becomes(200)
            alive.append(doomed)
        await asyncio.gather(*(request.ended.wait() for request in stage.standin.requests))
        await asyncio.gather(*(judge(stage, run, alive) for run in runs))
        await asyncio.gather(*(asked_no_more_than_needed(stage, run) for run in runs))
    seconds = max((one for one in took if one is not None), default=0)
    print(
        f"{hit} of {len(runs)} replies were hit, {fate}; they were interrupted within "
        f"{seconds:.1f} s, with leases of {LEASE_SECONDS} s"
    )


async def _end(server: Server, fate: Fate) -> None:
    process = server.command.process
    match fate:
        case "killed":
            process.kill()
        case "stopped":
            process.terminate()
        case "frozen":
            os.kill(process.pid, signal.SIGSTOP)
            return
    await server.command.ended()


async def _come_through(stage: Stage, run: Run, began: float) -> float | None:
    """Wait for the interruption, and have it resumed where nobody does so by himself."""
    seconds = None
    if not run.auto_resume:
        reply = await run.witness.ended()
        seconds = time.monotonic() - began
        may_be = ("INTERRUPTED", "COMPLETED") if run.point == ANYWHERE else ("INTERRUPTED",)
        assert reply["status"] in may_be, (reply.get("error"), reply)
    await run.finish(stage.random.choice(stage.staying))
    return seconds


@pytest.fixture(scope="module")
async def stage(mongo_uri: str) -> AsyncIterator[Stage]:
    print(f"HEADWATER_SEED={SEED}")
    uri = mongo_uri.replace("/headwater?", f"/survival_{SEED}?")
    async with staged(uri, SEED, SURVIVAL_LEASE_SECONDS=LEASE_SECONDS) as made:
        yield made
        await made.database.client.drop_database(made.database)


async def test_a_reply_cancelled_on_another_process_and_lost_by_a_frozen_one_goes_on(
    stage: Stage,
) -> None:
    point, go_on = Point(1, 9), asyncio.Event()
    holds: list[Failure] = [Stalled(at_event=point.event, until=go_on) for _ in range(2)]
    b = stage.watcher
    async with (
        stage.process() as a,
        stage.begun(a, point, lambda _: holds.pop() if holds else None) as run,
    ):
        await run.held()
        upstream = stage.standin.requests[-1]
        await b.call("action", "streaming.cancelStream", messageId=run.talk.message)
        async with asyncio.timeout(60):
            await upstream.ended.wait()
        assert upstream.outcome == "client left"
        cancelled = await run.witness.ended()
        assert (cancelled["status"], shown_of(cancelled)) == ("CANCELLED", _shown_at(run))
        await resume(a, run)
        await eventually(lambda: run.talk.steps == [1, 1])
        await _end(a, "frozen")
        assert (await run.witness.ended())["status"] == "INTERRUPTED"
        await run.finish(b)
        go_on.set()
        os.kill(a.command.process.pid, signal.SIGCONT)
        await asyncio.gather(*(request.ended.wait() for request in stage.standin.requests))
        await judge(stage, run, [b, a])


async def test_what_a_frozen_process_was_told_to_cancel_is_not_its_own_when_it_wakes(
    stage: Stage,
) -> None:
    point, go_on = Point(1, 9), asyncio.Event()
    async with stage.process() as a, stage.begun(a, point, held_at(point, go_on)) as run:
        await run.held()
        await _end(a, "frozen")
        b = stage.watcher
        await b.call("action", "streaming.cancelStream", messageId=run.talk.message)
        assert (await run.witness.ended())["status"] == "CANCELLED"
        await resume(b, run)
        go_on.set()
        assert (await run.witness.ended())["status"] == "COMPLETED"
        os.kill(a.command.process.pid, signal.SIGCONT)
        await asyncio.gather(*(request.ended.wait() for request in stage.standin.requests))
        await judge(stage, run, [b, a])


def _shown_at(run: Run) -> Shown:
    return shown(run.talk.name, run.point.step, run.point.event)


@pytest.mark.fuzz
@pytest.mark.parametrize("fate", FATES)
async def test_a_reply_survives_the_end_of_its_process_at_any_event(
    stage: Stage, fate: Fate
) -> None:
    if fate == "frozen" and not FUZZ:
        pytest.skip("the two tests above freeze one; see make fuzz")
    points = stage.random.sample(EVERY_POINT, len(EVERY_POINT) if FUZZ else AT_ONCE)
    for first in range(0, len(points), AT_ONCE):
        await meet(stage, points[first : first + AT_ONCE], fate)


@pytest.mark.fuzz
@pytest.mark.skipif(not FUZZ, reason="long; see make fuzz")
async def test_a_reply_survives_the_end_of_its_process_at_any_time(stage: Stage) -> None:
    until = time.monotonic() + FUZZ_SECONDS
    rounds = 0
    try:
        while time.monotonic() < until:
            fate = stage.random.choice(FATES)
            held = stage.random.sample(EVERY_POINT, AT_ONCE // 2)
            await meet(stage, [*held, *[ANYWHERE] * (AT_ONCE // 2)], fate)
            rounds += 1
    finally:
        print(f"{rounds} processes came to their end")
