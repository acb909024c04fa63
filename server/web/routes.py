"""Which path leads where."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from server.web.calls import call_action, call_mutation, call_query
from server.web.errors import HANDLERS
from server.web.health import healthz, metrics, readyz
from server.web.live import live
from server.web.open_api import open_api
from server.web.origin import OriginCheck
from server.web.pages import browser_file, page
from server.web.sync import SyncEndpoint

__all__ = ["create_web"]


def create_web(allowed_origins: frozenset[str]) -> Starlette:
    """The web application; its services are put into `state` before the first request."""
    return Starlette(
        routes=[
            Route("/", page),
            Route("/browser/{name}", browser_file),
            Route("/api/query/{function}", call_query, methods=["POST"]),
            Route("/api/mutation/{function}", call_mutation, methods=["POST"]),
            Route("/api/action/{function}", call_action, methods=["POST"]),
            Route("/api/live/{function}", live),
            Route("/api/sync", SyncEndpoint()),
            Route("/openapi.json", open_api),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ],
        middleware=[Middleware(OriginCheck, allowed=allowed_origins)],
        exception_handlers=HANDLERS,
    )
