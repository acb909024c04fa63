"""For operators: is the process alive, can it serve, and what has it done."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.core.errors import Unavailable
from server.web.services import Services, services_of

__all__ = ["healthz", "metrics", "readyz"]


async def healthz(_: Request) -> Response:
    """200 while the process answers at all."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """200 while the change stream is open and MongoDB answers; else 503, with the reason."""
    services = services_of(request)
    if not services.feed.healthy:
        raise Unavailable(
            "The change stream is closed: the database cannot be reached. Trying again."
        )
    position = services.position(services.feed.position)
    return JSONResponse({"status": "ready", "position": position, "build": services.build})


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
        services = self._services
        rounds = services.registry.rounds
        gauges = {
            "headwater_sync_streams": ("Open sync streams.", len(services.hub)),
            "headwater_live_queries": ("Live queries.", len(services.registry.queries)),
            "headwater_feed_healthy": ("Whether the change stream is open.", services.feed.healthy),
            "headwater_log_bytes": (
                "Bytes of patches kept for readers who are behind.",
                sum(query.log.bytes for query in services.registry.queries),
            ),
        }
        counters = {
            "headwater_feed_events": ("Change events taken in.", services.feed.events_seen),
            "headwater_feed_interruptions": (
                "How often the change stream had to be opened again.",
                services.feed.interruptions,
            ),
            "headwater_feed_losses": (
                "How often history was lost and every live query read anew.",
                services.feed.losses,
            ),
            "headwater_query_runs": ("Runs of query functions for streams.", rounds.runs),
            "headwater_documents_fetched": (
                "Documents read because an event did not tell enough.",
                rounds.fetches,
            ),
        }
        counters |= {
            f"headwater_{name}": ("Counted by actions.", count)
            for name, count in services.actions.counters.items()
        }
        return [
            *(GaugeMetricFamily(name, said, value) for name, (said, value) in gauges.items()),
            *(CounterMetricFamily(name, said, value) for name, (said, value) in counters.items()),
        ]
