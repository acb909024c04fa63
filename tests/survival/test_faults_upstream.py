"""The stream from Claude is cut, dropped, broken or stalled at every event, or never begins.

Each reply fails with one error, keeps what had come, and is complete once it is resumed.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from server.llm.standin import (
    CutShort,
    Dropped,
    ErrorEvent,
    Malformed,
    Stalled,
    StatusError,
)
from server.llm.standin.faults import Failure
from tests.survival.conversation import Shown, shown, shown_of
from tests.survival.judgement import judge
from tests.survival.stage import EVERY_POINT, Point, Run, Stage, resume, staged

SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
FUZZ = bool(os.environ.get("HEADWATER_FUZZ"))
SAMPLE = 16
AT_ONCE = 32
SILENCE_MS = 3_000


@dataclass(frozen=True)
class Fault:
    """One way to go wrong.

    Attributes:
        at: Gives the failure before an event.
        codes: Of the errors that may be told.
        keeps_all: Whether all that was sent before it arrives.
    """

    at: Callable[[int], Failure]
    codes: tuple[str, ...]
    keeps_all: bool = True


MIDWAY = [
    Fault(lambda event: CutShort(at_event=event), ("claude_stream_cut",)),
    Fault(lambda event: CutShort(at_event=event, bytes_of_next=40), ("claude_stream_cut",)),
    Fault(
        lambda event: Dropped(at_event=event),
        ("claude_stream_cut", "claude_unreachable"),
        keeps_all=False,
    ),
    Fault(lambda event: Malformed(at_event=event), ("claude_stream_cut",)),
    Fault(lambda event: ErrorEvent(at_event=event), ("claude_overloaded",)),
    Fault(lambda event: ErrorEvent(at_event=event, error_type="api_error"), ("claude_failed",)),
    Fault(lambda event: Stalled(at_event=event), ("claude_timed_out",)),
    Fault(lambda event: Stalled(at_event=event, ping_interval_ms=300), ("claude_timed_out",)),
]
REFUSALS = {
    (400, "invalid_request_error"): "claude_refused",
    (401, "authentication_error"): "claude_key_refused",
    (403, "permission_error"): "claude_key_refused",
    (404, "not_found_error"): "claude_model_unknown",
    (413, "request_too_large"): "claude_refused",
    (429, "rate_limit_error"): "claude_rate_limited",
    (500, "api_error"): "claude_failed",
    (529, "overloaded_error"): "claude_overloaded",
}
AT_THE_DOOR = [
    Fault(lambda _, error=error: StatusError(*error), (code,)) for error, code in REFUSALS.items()
]

EVERY_CASE = [
    *((fault, point) for fault in MIDWAY for point in EVERY_POINT if not point.tools),
    *((fault, Point(step, 0)) for fault in AT_THE_DOOR for step in (1, 2)),
]


@pytest.fixture(scope="module")
async def stage(mongo_uri: str) -> AsyncIterator[Stage]:
    print(f"HEADWATER_SEED={SEED}")
    uri = mongo_uri.replace("/headwater?", f"/faults_{SEED}?")
    async with staged(uri, SEED, SURVIVAL_SILENCE_MS=str(SILENCE_MS)) as made:
        yield made
        await made.database.client.drop_database(made.database)


@pytest.mark.fuzz
async def test_a_reply_survives_whatever_goes_wrong_upstream_at_any_event(stage: Stage) -> None:
    cases = EVERY_CASE if FUZZ else stage.random.sample(EVERY_CASE, SAMPLE)
    for first in range(0, len(cases), AT_ONCE):
        batch = cases[first : first + AT_ONCE]
        await asyncio.gather(*(meet(stage, fault, point) for fault, point in batch))
    print(f"{len(cases)} faults upstream")


async def meet(stage: Stage, fault: Fault, point: Point) -> None:
    """Have a reply fail, and then come through."""
    failures = [fault.at(point.event)]

    def meddle(step: int) -> Failure | None:
        return failures[-1] if failures and step == point.step else None

    async with AsyncExitStack() as stack:
        writer = stage.staying[1]
        run = await stack.enter_async_context(stage.begun(writer, point, meddle))
        reply = await run.witness.ended()
        assert reply["status"] == "FAILED", (failures, str(point), reply)
        _check_failure(run, fault, failures[0])
        failures.clear()
        await resume(stage.watcher, run)
        await judge(stage, run, stage.staying)


def _check_failure(run: Run, fault: Fault, failure: Failure) -> None:
    reply, point = run.witness.message, run.point
    where = f"{run.talk.name}, {failure}: {reply}"
    assert reply["error"]["code"] in fault.codes, where
    assert reply["error"]["message"].endswith("."), where
    assert "retrying" not in reply, where
    kept = shown_of(reply)
    sent = shown(run.talk.name, point.step, point.event)
    if fault.keeps_all:
        assert kept == sent, where
    else:
        assert _words(sent).startswith(_words(kept)), where


def _words(parts: Shown) -> str:
    return "".join(text for _, text, _ in parts)
