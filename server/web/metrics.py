"""``/metrics``: the server's numbers, for Prometheus. Nobody's names or values are among them."""

from typing import get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from schemas.wire.live_queries import LiveQueryTotals, Strategy
from server.live.live_query import Cause
from server.runtime.call_runner import OUTCOMES
from server.web.live_queries import totals
from server.web.services import Services, services_of

__all__ = ["metrics"]

_REASONS = (*get_args(Cause), "unheld", "asked")


async def metrics(request: Request) -> Response:
    """Numbers in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Numbers(services_of(request)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Numbers(Collector):
    """This server's numbers, read when asked for."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> list[Metric]:
        """The numbers."""
        all_of_them = totals(self._services)
        return [
            *self._gauges(all_of_them),
            *_counters(all_of_them),
            *_labelled(all_of_them),
            *self._counted_by_actions(),
            *self._scheduled(),
        ]

    def _counted_by_actions(self) -> list[Metric]:
        counted = self._services.actions.counters
        return [
            CounterMetricFamily(f"headwater_{name}", "Counted by actions.", count)
            for name, count in counted.items()
        ]

    def _scheduled(self) -> list[Metric]:
        """What ran by itself. Without a read of MongoDB: this must answer when it does not."""
        services, runner = self._services, self._services.call_runner
        everies = CounterMetricFamily(
            "headwater_every_runs",
            "Runs of functions that run by themselves, in this process.",
            labels=["function", "outcome"],
        )
        for one in services.everies:
            for outcome, count in one.outcomes.items():
                everies.add_metric([one.name, outcome], count)
        calls = CounterMetricFamily(
            "headwater_scheduled_calls",
            "Scheduled calls that this process made.",
            labels=["outcome"],
        )
        for outcome in OUTCOMES:
            calls.add_metric([outcome], runner.outcomes[outcome])
        gauges = {
            "running": ("Scheduled calls that this process is making.", runner.running),
            "overdue_seconds": ("How long a call has been due.", runner.overdue_seconds),
            "stored": ("About how many the database holds.", runner.stored),
            "kept_failures": ("How many failed ones it keeps.", runner.failed),
        }
        return [
            everies,
            calls,
            CounterMetricFamily(
                "headwater_scheduled_calls_seconds", "How long they took.", runner.seconds
            ),
            *(
                GaugeMetricFamily(f"headwater_scheduled_calls_{name}", said, value)
                for name, (said, value) in gauges.items()
            ),
        ]

    def _gauges(self, sums: LiveQueryTotals) -> list[Metric]:
        feed = self._services.feed
        gauges = {
            "headwater_sync_streams": ("Open sync streams.", len(self._services.hub)),
            "headwater_subscribers": ("Subscriptions of all live queries.", sums.subscribers),
            "headwater_feed_healthy": ("Whether the change stream is open.", feed.healthy),
            "headwater_feed_lag_seconds": (
                "How far the change stream is behind MongoDB.",
                feed.lag_seconds,
            ),
            "headwater_log_bytes": (
                "Bytes of patches kept for readers who are behind.",
                sums.log_bytes,
            ),
        }
        return [GaugeMetricFamily(name, said, value) for name, (said, value) in gauges.items()]


def _counters(sums: LiveQueryTotals) -> list[Metric]:
    counters = {
        "headwater_feed_events": ("Change events taken in.", sums.events),
        "headwater_feed_interruptions": (
            "How often the change stream had to be opened again.",
            sums.interruptions,
        ),
        "headwater_feed_losses": (
            "How often history was lost and every live query read anew.",
            sums.losses,
        ),
        "headwater_query_touches": (
            "Changes that touched a live query, once for each that they touched.",
            sums.touches,
        ),
        "headwater_query_runs": ("Runs of query functions for streams.", sums.runs),
        "headwater_documents_fetched": (
            "Documents read because an event did not tell enough.",
            sums.unheld,
        ),
        "headwater_documents_asked": (
            "Documents that MongoDB was asked about, whether they match.",
            sums.asked,
        ),
        "headwater_ticks": ("Ticks written so that time passes where nobody writes.", sums.ticks),
    }
    return [CounterMetricFamily(name, said, value) for name, (said, value) in counters.items()]


def _labelled(sums: LiveQueryTotals) -> list[Metric]:
    queries = GaugeMetricFamily(
        "headwater_live_queries", "Live queries, by how they are kept current.", labels=["strategy"]
    )
    for strategy in get_args(Strategy):
        queries.add_metric([strategy], sums.queries.get(strategy, 0))
    reads = CounterMetricFamily(
        "headwater_reads", "Reads of MongoDB for live queries, by what for.", labels=["reason"]
    )
    for reason in _REASONS:
        reads.add_metric([reason], sums.reads.get(reason, 0))
    return [queries, reads]
