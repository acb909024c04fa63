"""An app inside of another, and an app that is one file."""

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from server.app import Headwater, create_app
from server.settings import Settings
from tests.board import HERE
from tests.headwater_command import headwater, serving_process
from tests.serving import http_server
from tests.sse import Follower, events_of


class AppUnder(httpx2.AsyncBaseTransport):
    """Sends every request below a prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(raw_path=self._prefix.encode() + request.url.raw_path)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


def host(mounted: Headwater) -> Starlette:
    """A host as its documentation shows it."""

    @asynccontextmanager
    async def lifespan(_: Any) -> Any:
        async with mounted.lifespan():
            yield

    routes = [Route("/hello", hello), Mount("/deep/data", mounted)]
    return Starlette(routes=routes, lifespan=lifespan)


def board_app(uri: str) -> Headwater:
    return create_app(Settings(mongodb_uri=uri, standin=False), functions=HERE)


async def test_an_app_serves_calls_and_streams_under_a_prefix(database_uri: str) -> None:
    outer = host(board_app(database_uri))
    async with (
        outer.router.lifespan_context(outer),
        http_server(outer) as url,
        httpx2.AsyncClient(base_url=url, transport=AppUnder("/deep/data"), timeout=60) as http,
        httpx2.AsyncClient(base_url=url, timeout=60) as outside,
    ):
        assert (await outside.get("/hello")).text == "hello"
        follower = Follower(http, {"q": ("board.notes", {"topic": "t"})}, client="tab")
        async with follower.following():
            await follower.until(lambda f: "q" in f.values)
            added = await http.post("/api/mutation/board.add", json={"topic": "t"})
            await follower.until(lambda f: f.values["q"] == [added.json()["value"]])
        live = '/api/live/board.notes?args={"topic":"t"}'
        async with http.stream("GET", live) as response:
            event = await anext(events_of(response))
        assert event.data == {"snapshot": [added.json()["value"]]}
        assert "/api/query/board.notes" in (await http.get("/openapi.json")).json()["paths"]
        assert (await http.get("/readyz")).json()["status"] == "ready"
        for path, status, code in [
            ("/nope", 404, "not_found"),
            ("/api/query/board.notes", 405, "malformed"),
            ("/api/sync", 400, "malformed"),
        ]:
            refused = await http.get(path)
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        foreign = await http.post(
            "/api/mutation/board.add", json={"topic": "t"}, headers={"Origin": "https://evil.test"}
        )
        assert foreign.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/query/board.notes"),
        ("POST", "/api/mutation/board.add"),
        ("GET", "/api/sync?queries=[]"),
        ("GET", "/api/live/board.notes"),
        ("GET", "/readyz"),
        ("GET", "/openapi.json"),
    ],
)
async def test_an_app_whose_host_forgot_its_lifespan_says_so(method: str, path: str) -> None:
    app = board_app("mongodb://127.0.0.1:1/none")
    outer = Starlette(routes=[Mount("/", app)])
    async with http_server(outer) as url, httpx2.AsyncClient(base_url=url, timeout=60) as http:
        response = await http.request(method, path, json={"topic": "t"})
        assert response.status_code == 503
        error = response.json()["error"]
        assert error["code"] == "unavailable"
        assert "app.lifespan()" in error["message"]
        assert (await http.get("/healthz")).status_code == 200


async def test_an_app_may_be_started_again(database_uri: str) -> None:
    app = board_app(database_uri)
    for _ in range(2):
        async with (
            app.lifespan(),
            http_server(app) as url,
            httpx2.AsyncClient(base_url=url, timeout=60) as http,
        ):
            assert (await http.get("/readyz")).status_code == 200


ONE_FILE = """
from schemas.document import Document
from server.app import create_app
from server.runtime import Find, MutationCtx, QueryCtx, mutation, query


class Line(Document, collection="lines", indexes=[("room", "createdAt")]):
    room: str
    text: str


@query
def latest(ctx: QueryCtx, room: str) -> Find[Line]:
    return ctx.find(Line, {"room": room}, sort=[("createdAt", 1)], last=100)


@mutation
async def say(ctx: MutationCtx, room: str, text: str) -> Line:
    return await ctx.insert(Line(room=room, text=text))


app = create_app(functions=[__name__])
"""


async def test_an_app_is_one_file(database_uri: str, tmp_path: Path) -> None:
    file = tmp_path / "small_chat.py"
    file.write_text(ONE_FILE)
    serve = serving_process(
        None, f"{file}:app", HEADWATER_MONGODB_URI=database_uri, HEADWATER_STANDIN="false"
    )
    async with serve as server:
        queries = {"q": ("smallChat.latest", {"room": "blue"})}
        follower = Follower(server.http, queries)
        async with follower.following():
            await follower.until(lambda f: f.values.get("q") == [])
            said = await server.call("mutation", "smallChat.say", room="blue", text="hello")
            await follower.until(lambda f: f.values["q"] == [said])
        document = (await server.http.get("/openapi.json")).json()
    assert document["paths"].keys() == {
        "/api/query/smallChat.latest",
        "/api/mutation/smallChat.say",
    }
    assert "text" in json.dumps(document["components"]["schemas"]["Line"])


async def test_an_app_made_above_its_functions_is_one_sentence_with_the_cure(
    tmp_path: Path,
) -> None:
    file = tmp_path / "upside_down.py"
    file.write_text("from server.app import create_app\napp = create_app(functions=[__name__])\n")
    async with headwater("serve", f"{file}:app") as command:
        assert await command.ended() == 2
    (line,) = command.stderr
    assert "'upside_down' has no query" in line
    assert line.endswith("create_app comes below all of them.")
