"""What operators are told of all that runs by itself: the body of ``GET /api/schedules``."""

from typing import Literal

from schemas.document import Part

__all__ = ["EveryRow", "ScheduleTotals", "ScheduledCallRow", "Schedules"]


class EveryRow(Part):
    """One function that runs every so many seconds.

    Attributes:
        function: ``module.function``.
        seconds: Between the beginnings of two runs.
        timeout_seconds: How long a run may take.
        due_in_ms: Until the next run; while one is at work, until its lease ends, which is
            renewed. Below 0 where it is overdue; absent where it has never been prepared.
        owner: Which process is at it, as ``host:pid``; absent while none is.
        runs_for_ms: For how long.
        runs: How many runs came to an end.
        failures: How many of those failed or took too long.
        last_started_ms: When the last of them began, in milliseconds since the epoch.
        last_duration_ms: How long it took.
        last_outcome: How it ended: ``succeeded``, ``failed``, ``timed_out``.
        last_error: Why it did not succeed.
    """

    function: str
    seconds: float
    timeout_seconds: float
    due_in_ms: int | None = None
    owner: str | None = None
    runs_for_ms: int | None = None
    runs: int = 0
    failures: int = 0
    last_started_ms: int | None = None
    last_duration_ms: int | None = None
    last_outcome: str | None = None
    last_error: str | None = None


class ScheduledCallRow(Part):
    """One call that was scheduled and has not been made.

    Attributes:
        call_id: As `run_after` gave it.
        function: ``module.function``.
        arguments: As JSON, shortened; what could be a secret is left out.
        caller: A digest, the same for the same caller; absent where it is anonymous.
        state: Whether it waits, is being made, or has failed.
        due_in_ms: Until it is due; while it is being made, until its lease ends; of a failed one,
            below 0, since it failed.
        attempts: How many were begun.
        owner: Which process makes it, as ``host:pid``; absent while none does.
        runs_for_ms: For how long.
        is_known: Whether the server that was asked has its function.
        error: What its last attempt failed with, a code and what it said.
    """

    call_id: str
    function: str
    arguments: str
    caller: str | None = None
    state: Literal["waiting", "running", "failed"]
    due_in_ms: int
    attempts: int
    owner: str | None = None
    runs_for_ms: int | None = None
    is_known: bool
    error: str | None = None


class ScheduleTotals(Part):
    """All scheduled calls.

    Attributes:
        calls: How many the database holds, by state.
        running: How many the server that was asked is making.
        outcomes: How many of those that it made ended how: ``succeeded``, ``retried``,
            ``failed``, ``lost`` to another process, ``handed_back``.
        overdue_ms: For how long a call has been due, at its last look, that nobody had taken.
    """

    calls: dict[str, int]
    running: int
    outcomes: dict[str, int]
    overdue_ms: int


class Schedules(Part):
    """The whole answer.

    Attributes:
        process: Which process was asked, as ``host:pid``.
        everies: What runs every so many seconds, by name.
        totals: Of all scheduled calls.
        calls: Those that run, then those that are due first, then those that failed last.
        left_out: How many more there are.
    """

    process: str
    everies: list[EveryRow]
    totals: ScheduleTotals
    calls: list[ScheduledCallRow]
    left_out: int
