"""Hosts and callers that are unlike ours, over real HTTP."""

import sys
from typing import Any

import httpx2
import pytest
from pymongo import AsyncMongoClient
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from server.app import create_app
from server.core import limits
from server.runtime import Caller, Find, QueryCtx, query
from server.settings import Settings
from server.store.connection import database_name
from tests import card_app
from tests.card_app import Card
from tests.serving import http_server, serving
from tests.sse import Follower
from tests.sync.test_streams import CARDS, ranks
from tests.waiting import eventually


@query
def mine(ctx: QueryCtx, caller: Caller) -> Find[Card]:
    return ctx.find(Card, {"group": caller.id})


async def test_a_query_set_that_fails_halfway_leaves_no_live_query_behind(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0.05)

    def claiming(_: Any) -> Caller:
        return Caller("a", {"roles": {"x"}})  # a set is no JSON

    queries = [
        {"id": "a", "function": "cardApp.cards", "args": {"group": "x"}},
        {"id": "b", "function": "testWebUnderFire.mine"},
    ]
    functions = [card_app, sys.modules[__name__]]
    async with serving(database_uri, functions, authenticate=claiming) as server:
        response = await server.http.post("/api/sync", json={"queries": queries})
        assert response.status_code == 500
        services = server.app._services
        assert services is not None
        await eventually(lambda: not services.registry.queries)
        assert len(services.hub) == 0


class Timing(BaseHTTPMiddleware):
    """What hosts write first."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-time"] = "1"
        return response


@pytest.mark.parametrize("layer", [Timing, GZipMiddleware])
async def test_streams_pass_through_a_hosts_middleware_as_they_come(
    database_uri: str, layer: Any
) -> None:
    app = create_app(Settings(mongodb_uri=database_uri, standin=False), [card_app])
    host = Starlette(routes=[Mount("/hw", app)], middleware=[Middleware(layer)])
    async with (
        app.lifespan(),
        http_server(host) as url,
        httpx2.AsyncClient(base_url=url + "/hw", timeout=60) as http,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        services = app._services
        assert services is not None
        cards = client[database_name(database_uri)]["cards"]
        staying, passing = Follower(http, CARDS), Follower(http, CARDS)
        async with staying.following():
            await staying.until(lambda f: "c" in f.values)
            for number in range(30):
                await cards.insert_one({"_id": str(number), "group": "x", "rank": number})
                if number < 5:
                    await staying.until(lambda f, n=number: len(ranks(f)) == n + 1)
                if number == 5:
                    async with passing.following():
                        await passing.until(lambda f: len(ranks(f)) == 6)
            await staying.until(lambda f: ranks(f) == list(range(30)))
            assert services.feed.healthy
            assert staying.snapshots == 1
        await eventually(lambda: len(services.hub) == 0)
        await app.stop_serving()
