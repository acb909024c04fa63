"""``GET /api/schedules``: what runs by itself, when each is due, who is at it, how it went."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from schemas.wire.schedules import EveryRow, ScheduledCallRow, Schedules, ScheduleTotals
from server.core import limits
from server.core.process import process_name
from server.runtime.call_runner import OUTCOMES, caller_of
from server.runtime.every import Every
from server.runtime.explain import explained
from server.runtime.shared_key import SharedKey
from server.web.operators import require_operator, row_limit
from server.web.services import Services, services_of

__all__ = ["schedules"]

_ROWS = 200
"""Calls shown where ``limit=`` does not say how many."""


async def schedules(request: Request) -> Response:
    """What runs by itself."""
    services = services_of(request)
    require_operator(request, services)
    limit = row_limit(request, _ROWS, limits.SCHEDULED_ROWS_MAX)
    with explained("/api/schedules"):
        stored, counts, calls = await asyncio.gather(
            services.schedules.all(), services.calls.counts(), services.calls.next(limit)
        )
    runner = services.call_runner
    answer = Schedules(
        process=process_name(),
        everies=[
            _every(name, one, stored.get(name, {}))
            for name, one in sorted(services.runtime.catalog.everies.items())
        ],
        totals=ScheduleTotals(
            calls=counts,
            running=runner.running,
            outcomes={name: runner.outcomes[name] for name in OUTCOMES if runner.outcomes[name]},
            overdue_ms=round(runner.overdue_seconds * 1000),
        ),
        calls=[_call(services, call) for call in calls],
        left_out=max(sum(counts.values()) - len(calls), 0),
    )
    return Response(
        answer.model_dump_json(by_alias=True, exclude_none=True),
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )


def _every(name: str, one: Every, stored: Mapping[str, Any]) -> EveryRow:
    started: datetime | None = stored.get("lastStartedAt")
    return EveryRow(
        function=name,
        seconds=one.seconds,
        timeout_seconds=one.timeout,
        due_in_ms=stored.get("dueInMs"),
        owner=stored.get("owner"),
        runs_for_ms=stored.get("runsForMs"),
        runs=stored.get("runs", 0),
        failures=stored.get("failures", 0),
        last_started_ms=started and round(started.replace(tzinfo=UTC).timestamp() * 1000),
        last_duration_ms=stored.get("lastDurationMs"),
        last_outcome=stored.get("lastOutcome"),
        last_error=stored.get("lastError"),
    )


def _call(services: Services, call: Mapping[str, Any]) -> ScheduledCallRow:
    name, error = call["function"], call.get("error")
    arguments, caller = _shown(services, call)
    return ScheduledCallRow(
        call_id=str(call["_id"]),
        function=name,
        arguments=arguments,
        caller=caller,
        state=call["state"],
        due_in_ms=call["dueInMs"],
        attempts=call["attempts"],
        owner=call.get("owner"),
        runs_for_ms=call["runsForMs"],
        is_known=services.runtime.catalog.get(name) is not None,
        error=f"{error['code']}: {error['message']}" if error else None,
    )


def _shown(services: Services, call: Mapping[str, Any]) -> tuple[str, str | None]:
    """The arguments as an operator may see them, and a digest of the caller."""
    stored = call.get("caller")
    try:
        who = caller_of(stored).key if stored else ""
        return services.runtime.shown(SharedKey(call["function"], call["arguments"].encode(), who))
    except (ValueError, LookupError, TypeError, AttributeError):  # somebody edited it
        return "(no JSON)", None
