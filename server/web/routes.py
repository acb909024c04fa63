"""Which path leads where."""

from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from server.web.calls import call_action, call_mutation, call_query
from server.web.docs import docs, docs_file
from server.web.errors import HANDLERS
from server.web.health import healthz, readyz
from server.web.live import live
from server.web.live_queries import live_queries
from server.web.metrics import metrics
from server.web.open_api import open_api
from server.web.origin import OriginCheck
from server.web.pages import browser_file, page
from server.web.schedules import schedules
from server.web.sync import SyncEndpoint

__all__ = ["create_web"]


class _Web(Starlette):
    """Routes, behind a check of origins that sees every answer, a failure's too."""

    def __init__(self, allowed_origins: frozenset[str], routes: list[Route]) -> None:
        super().__init__(routes=routes, exception_handlers=HANDLERS)
        self.router.redirect_slashes = False
        self._allowed_origins = allowed_origins

    def build_middleware_stack(self) -> ASGIApp:
        return OriginCheck(super().build_middleware_stack(), allowed=self._allowed_origins)


def create_web(allowed_origins: frozenset[str]) -> Starlette:
    """The web application; its services are put into `state` before the first request."""
    return _Web(
        allowed_origins,
        [
            Route("/", page),
            Route("/browser/{name:path}", browser_file),
            Route("/api/query/{function}", call_query, methods=["POST"]),
            Route("/api/mutation/{function}", call_mutation, methods=["POST"]),
            Route("/api/action/{function}", call_action, methods=["POST"]),
            _stream("/api/live/{function}", live, "GET"),
            _stream("/api/sync", SyncEndpoint(), "GET", "POST"),
            Route("/api/live-queries", live_queries),
            Route("/api/schedules", schedules),
            Route("/openapi.json", open_api),
            Route("/docs", docs),
            Route("/docs/{version}/{name}", docs_file),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ],
    )


def _stream(path: str, endpoint: Any, *methods: str) -> Route:
    """A route without HEAD, whose answer to a stream would never end."""
    route = Route(path, endpoint, methods=list(methods))
    route.methods = set(methods)
    return route
