"""``GET /api/live-queries``: what each live query is, does, costs."""

import time

from starlette.requests import Request
from starlette.responses import Response

from schemas.wire.live_queries import LiveQueries, LiveQueryRow, LiveQueryTotals
from server.core import limits
from server.live.diagnosis import costliest, diagnose, measure, sums
from server.live.live_query import LiveQuery
from server.runtime import SharedKey
from server.web.operators import require_operator, row_limit
from server.web.services import Services, services_of

__all__ = ["live_queries", "totals"]

_ROWS = 200
"""Shown where ``limit=`` does not say how many."""


async def live_queries(request: Request) -> Response:
    """The live queries that cost most, and the totals of all."""
    services = services_of(request)
    require_operator(request, services)
    limit = row_limit(request, _ROWS, limits.DIAGNOSIS_ROWS_MAX)
    queries = services.registry.queries
    shown = costliest(queries, limit)
    measure(shown)
    now = time.monotonic()
    answer = LiveQueries(
        position=services.position(services.feed.position),
        totals=totals(services),
        queries=[_row(services, query, now) for query in shown],
        left_out=len(queries) - len(shown),
    )
    return Response(
        answer.model_dump_json(by_alias=True),
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )


def totals(services: Services) -> LiveQueryTotals:
    """What all live queries of this process come to."""
    registry, feed, rounds = services.registry, services.feed, services.registry.rounds
    every = sums(registry.queries)
    return LiveQueryTotals(
        queries={str(strategy): count for strategy, count in every.strategies.items()},
        subscribers=every.subscribers,
        events=feed.events_seen,
        touches=registry.touches,
        runs=rounds.runs,
        reads={str(reason): count for reason, count in rounds.reads.items()},
        unheld=rounds.fetches,
        asked=rounds.asks,
        ticks=services.ticker.ticks,
        log_bytes=every.log_bytes,
        feed_lag_ms=round(feed.lag_seconds * 1000),
        interruptions=feed.interruptions,
        losses=feed.losses,
    )


def _row(services: Services, query: LiveQuery, now: float) -> LiveQueryRow:
    assert isinstance(query.key, SharedKey)
    arguments, caller = services.runtime.shown(query.key)
    return diagnose(query, arguments, caller, now)
