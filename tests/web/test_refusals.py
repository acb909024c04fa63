"""Every refusal: its status, its code, and the one shape of an error."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from pymongo import AsyncMongoClient

from server.core import limits
from tests import board
from tests.serving import Running, serving
from tests.sse import Event, Follower, events_of

APP = "https://app.example.com"
EVIL = "https://evil.example"
JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.usefixtures("patient_streams")


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    """One for all: what is refused leaves nothing behind."""
    uri = mongo_uri.replace("/headwater?", "/test_refusals?")
    async with serving(uri, board.HERE, allowed_origins=frozenset({APP})) as running:
        yield running
    async with AsyncMongoClient(mongo_uri) as client:
        await client.drop_database("test_refusals")


@pytest.fixture(autouse=True)
async def nothing_written(mongo_uri: str) -> None:
    """Each test begins without notes."""
    async with AsyncMongoClient(mongo_uri) as client:
        await client["test_refusals"]["notes"].delete_many({})


def assert_refused(
    response: httpx2.Response, status: int, code: str, retry: str = "never"
) -> dict[str, Any]:
    """The error has its status, its code, and nothing that the shape does not have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"error"}
    error = body["error"]
    assert error.keys() - {"retryAfterMs", "details"} == {"code", "message", "retry"}
    assert (error["code"], error["retry"]) == (code, retry)
    assert error["message"].endswith(".")
    assert ("retryAfterMs" in error) == (retry == "after")
    return error


def url(*queries: dict[str, Any], **extra: str) -> httpx2.URL:
    return httpx2.URL("/api/sync", params={"queries": json.dumps(queries), **extra})


def notes(id_: str = "q", topic: str = "a", **extra: Any) -> dict[str, Any]:
    return {"id": id_, "function": "board.notes", "args": {"topic": topic}, **extra}


@asynccontextmanager
async def events(
    server: Running, where: httpx2.URL | str, **headers: str
) -> AsyncIterator[AsyncIterator[Event]]:
    async with server.http.stream("GET", where, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield events_of(response)


async def first(server: Running, where: httpx2.URL | str, **headers: str) -> Event:
    async with events(server, where, **headers) as stream:
        return await anext(stream)


# --- functions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["query", "mutation", "action"])
@pytest.mark.parametrize("name", ["board.nope", "nope", "board.", ".notes", "board.by_topic"])
async def test_an_unknown_function_is_404(server: Running, kind: str, name: str) -> None:
    response = await server.http.post(f"/api/{kind}/{name}", json={})
    error = assert_refused(response, 404, "unknown_function")
    assert name in error["message"]


@pytest.mark.parametrize("name", ["board:likeAlone", "board.like_alone", "Board.likealone"])
async def test_a_name_that_is_spelt_otherwise_is_told_the_right_one(
    server: Running, name: str
) -> None:
    response = await server.http.post(f"/api/mutation/{name}", json={})
    error = assert_refused(response, 404, "unknown_function")
    assert error["message"].startswith(
        f"There is no mutation {name!r}; 'board.likeAlone' is there."
    )


@pytest.mark.parametrize(("kind", "name"), [("query", "board.secrets"), ("mutation", "board.wipe")])
async def test_an_internal_function_looks_like_an_unknown_one(
    server: Running, kind: str, name: str
) -> None:
    hidden = await server.http.post(f"/api/{kind}/{name}", json={})
    missing = await server.http.post(f"/api/{kind}/board.nope", json={})
    said = assert_refused(hidden, 404, "unknown_function")["message"]
    assert said == missing.json()["error"]["message"].replace("board.nope", name)


@pytest.mark.parametrize(
    ("asked", "name", "kind"),
    [
        ("query", "board.add", "mutation"),
        ("query", "board.work", "action"),
        ("mutation", "board.notes", "query"),
        ("action", "board.add", "mutation"),
    ],
)
async def test_a_function_of_another_kind_is_404_and_named(
    server: Running, asked: str, name: str, kind: str
) -> None:
    response = await server.http.post(f"/api/{asked}/{name}", json={"topic": "a"})
    error = assert_refused(response, 404, "unknown_function")
    assert f"POST /api/{kind}/{name}" in error["message"]


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b'{"topic": NaN}',
        b'{"topic": 1e999}',
        b'{"topic": "\xff"}',
        b'{"topic": "\\ud800"}',
        b'{"topic": "a\x00"}',
        b'\xef\xbb\xbf{"topic": "a"}',
        b'{"topic": "a"} {}',
        b'{"topic": "a",}',
    ],
)
async def test_a_body_that_cannot_be_read_is_400(server: Running, body: bytes) -> None:
    response = await server.http.post("/api/query/board.notes", content=body, headers=JSON)
    assert_refused(response, 400, "malformed")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"topic"', b"5", b'[{"topic": "a"}]'])
async def test_a_body_that_is_no_object_is_400(server: Running, body: bytes) -> None:
    response = await server.http.post("/api/query/board.notes", content=body, headers=JSON)
    assert "object" in assert_refused(response, 400, "malformed")["message"]


@pytest.mark.parametrize("depth", [limits.ARGS_DEPTH_MAX + 1, 900, 100_000])
async def test_a_body_nested_too_deep_is_400(server: Running, depth: int) -> None:
    body = b'{"value":' + b"[" * depth + b"]" * depth + b"}"
    response = await server.http.post("/api/query/board.anything", content=body, headers=JSON)
    assert_refused(response, 400, "malformed")


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text/json"],
)
async def test_a_body_that_does_not_call_itself_json_is_415(
    server: Running, media_type: str
) -> None:
    for path in ("/api/query/board.notes", "/api/mutation/board.add", "/api/sync"):
        response = await server.http.post(
            path, content=b'{"topic": "a"}', headers={"Content-Type": media_type}
        )
        assert_refused(response, 415, "unsupported_media_type")
    assert await server.query("board.notes", topic="a") == []


async def test_a_body_may_name_its_character_set(server: Running) -> None:
    response = await server.http.post(
        "/api/query/board.notes",
        content=b'{"topic": "a"}',
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/api/query/board.notes", "/api/mutation/board.add", "/api/sync"])
async def test_an_oversized_body_is_413(server: Running, path: str) -> None:
    body = b'{"topic": "%s"}' % (b"x" * limits.BODY_BYTES_MAX)
    response = await server.http.post(path, content=body, headers=JSON)
    assert_refused(response, 413, "too_large")


async def test_an_oversized_body_without_a_length_is_413(server: Running) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * (64 << 10)

    response = await server.http.post("/api/query/board.notes", content=endless(), headers=JSON)
    assert "content-length" not in response.request.headers
    assert_refused(response, 413, "too_large")


async def test_a_body_of_just_the_limit_is_taken(server: Running) -> None:
    around = len(b'{"topic":""}')
    body = b'{"topic":"%s"}' % (b"x" * (limits.BODY_BYTES_MAX - around))
    response = await server.http.post("/api/query/board.notes", content=body, headers=JSON)
    assert response.status_code == 200


# --- arguments ------------------------------------------------------------------------------------


async def test_each_argument_that_does_not_fit_is_told(server: Running) -> None:
    response = await server.http.post(
        "/api/query/board.notes", json={"limit": 1000, "colour": "hush-red"}
    )
    error = assert_refused(response, 422, "invalid_arguments")
    told = {one["argument"]: one["problem"] for one in error["details"]}
    assert told == {
        "topic": "it is missing",
        "limit": "input should be less than or equal to 100",
        "colour": "the function has no such argument",
    }
    assert all(name in error["message"] for name in told)
    assert "hush" not in response.text


@pytest.mark.parametrize(
    "value",
    [
        {"anthropic": ["sk-ant-hush"]},
        {"sk-ant-hush": 5},
        {"sk-ant-hush": "sk-ant-hush"},
        {"anthropic": "sk-ant-hush", "sk_ant_hush": "sk-ant-hush"},
        "sk-ant-hush",
        ["sk-ant-hush"],
        {"anthropic": {"sk-ant-hush": "sk-ant-hush"}},
    ],
)
async def test_a_misplaced_key_is_not_repeated(
    database_uri: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with serving(database_uri) as server:
        response = await server.http.post(
            "/api/action/streaming.streamChat",
            json={"taskId": "t", "prompt": "p", "apiKeys": value, "sk-ant-hush": 1},
        )
    assert_refused(response, 422, "invalid_arguments")
    assert "hush" not in response.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("board.liked", b'{"likes": 9223372036854775808}'),
        ("board.liked", b'{"likes": -9223372036854775809}'),
        ("board.liked", b'{"likes": %s}' % (b"9" * 300)),
        ("board.liked", b'{"likes": "%s"}' % (b"9" * 30)),
        ("board.liked", b'{"likes": "%s"}' % (b"9" * 10_000)),
        ("board.anything", b'{"value": [{"deep": 18446744073709551615}]}'),
        ("board.anything", b'{"extra": {"a\\u0000b": 1}}'),
        ("board.tally", b'{"topic": "a", "since": 1e300}'),
        ("board.tally", b'{"topic": "a", "since": "yesterday"}'),
    ],
)
async def test_what_mongodb_could_not_take_is_422(server: Running, name: str, body: bytes) -> None:
    response = await server.http.post(f"/api/query/{name}", content=body, headers=JSON)
    assert_refused(response, 422, "invalid_arguments")


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "$where", "a.b", "😀", "\u202e", "x" * 100_000])
async def test_any_text_can_be_stored_and_found(server: Running, text: str) -> None:
    added = await server.mutation("board.add", topic="t", text=text, slug=text)
    assert added["text"] == text
    assert await server.query("board.notes", topic="t") == [added]
    assert await server.query("board.anything", value=text, extra={"k": text}) == {
        "value": text,
        "extra": {"k": text},
    }


async def test_the_longest_integers_arrive_whole(server: Running) -> None:
    for number in (2**63 - 1, -(2**63), 2**53):
        answer = await server.http.post("/api/query/board.liked", json={"likes": number})
        assert answer.status_code == 200, answer.text
        again = await server.http.post("/api/query/board.liked", json={"likes": str(number)})
        assert again.status_code == 200, again.text


async def test_a_misspelt_field_is_the_servers_fault_and_says_nothing(server: Running) -> None:
    response = await server.http.post("/api/query/board.misspelt", json={})
    error = assert_refused(response, 500, "internal")
    assert "topci" not in error["message"]


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_an_idempotency_key_has_a_length(server: Running, key: str) -> None:
    for path in ("/api/mutation/board.add", "/api/action/board.work"):
        response = await server.http.post(
            path,
            json={"topic": "a"} if "add" in path else {"gate": "g"},
            headers={"Idempotency-Key": key},
        )
        assert_refused(response, 400, "malformed")
    assert await server.query("board.notes", topic="a") == []


@pytest.mark.parametrize("client", ["", "c" * 65])
async def test_a_clients_name_has_a_length(server: Running, client: str) -> None:
    response = await server.http.post(
        "/api/mutation/board.add", json={"topic": "a"}, headers={"Headwater-Client": client}
    )
    assert_refused(response, 400, "malformed")
    assert await server.query("board.notes", topic="a") == []


async def test_wait_is_true_or_false(server: Running) -> None:
    response = await server.http.post("/api/action/board.work?wait=later", json={"gate": "g"})
    assert_refused(response, 400, "malformed")


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api",
        "/api/query",
        "/api/query/",
        "/api/query/board.notes/",
        "/api/query/board/notes",
        "/api/query/board%2Fnotes",
        "/api/nope/board.notes",
        "/api/sync/",
        "/browser/nope.js",
        "/browser/..%2Fsettings.py",
        "/browser/%2e%2e/settings.py",
    ],
)
async def test_an_unknown_path_is_404(server: Running, path: str) -> None:
    for method in ("GET", "POST"):
        response = await server.http.request(method, path)
        if response.status_code != 405:
            assert_refused(response, 404, "not_found")


async def test_a_path_may_be_percent_encoded(server: Running) -> None:
    response = await server.http.post("/api/query/board%2Enotes", json={"topic": "a"})
    assert response.status_code == 200
    for path in ("/api/query/%ED%A0%80", "/api/query/%FF", "/api/query/%00", "/api/query/%0A"):
        assert_refused(await server.http.post(path, json={}), 404, "unknown_function")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/query/board.notes", {"POST"}),
        ("PUT", "/api/mutation/board.add", {"POST"}),
        ("DELETE", "/api/action/board.work", {"POST"}),
        ("PUT", "/api/sync", {"GET", "POST"}),
        ("POST", "/api/live/board.notes", {"GET"}),
        ("OPTIONS", "/api/sync", {"GET", "POST"}),
        ("POST", "/openapi.json", {"GET", "HEAD"}),
        ("POST", "/", {"GET", "HEAD"}),
    ],
)
async def test_another_method_is_405_and_the_right_ones_are_named(
    server: Running, method: str, path: str, allowed: set[str]
) -> None:
    response = await server.http.request(method, path)
    error = assert_refused(response, 405, "malformed")
    assert set(response.headers["allow"].split(", ")) == allowed
    assert all(one in error["message"] for one in allowed)


@pytest.mark.parametrize("path", ["/api/sync?queries=[]", "/api/live/board.notes?args={}"])
async def test_a_stream_has_no_head(server: Running, path: str) -> None:
    response = await server.http.head(path)
    assert response.status_code == 405


# --- query sets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query_string",
    [
        "",
        "queries=",
        "queries={",
        "queries={}",
        "queries=null",
        "queries=[1]",
        'queries=[{"id":"a"}]',
        'queries=[{"function":"board.notes"}]',
        'queries=[{"id":"","function":"board.notes"}]',
        'queries=[{"id":5,"function":"board.notes"}]',
        'queries=[{"id":"a","function":"board.notes","args":[]}]',
        'queries=[{"id":"a","function":"board.notes","argz":{}}]',
        'queries=[{"id":"%s","function":"board.notes"}]' % ("a" * 65),
        "queries=[]&colour=red",
        "queries=[]&strict=perhaps",
        "queries=[]&client=" + "c" * 65,
        'queries=[{"id":"a","function":"board.notes","args":{"topic":%s}}]' % ("[" * 70 + "]" * 70),
    ],
)
async def test_a_query_set_that_cannot_be_read_is_400(server: Running, query_string: str) -> None:
    response = await server.http.get(f"/api/sync?{query_string}")
    assert_refused(response, 400, "malformed")


@pytest.mark.parametrize("body", [{}, {"queries": {}}, {"queries": [], "colour": "red"}])
async def test_a_posted_query_set_that_cannot_be_read_is_400(
    server: Running, body: dict[str, Any]
) -> None:
    assert_refused(await server.http.post("/api/sync", json=body), 400, "malformed")


async def test_two_queries_of_one_id_are_400(server: Running) -> None:
    response = await server.http.get(url(notes("q", "a"), notes("q", "b")))
    assert "id" in assert_refused(response, 400, "malformed")["message"]


async def test_an_oversized_query_set_is_413(server: Running) -> None:
    queries = [notes(str(number)) for number in range(limits.QUERY_SET_MAX + 1)]
    posted = await server.http.post("/api/sync", json={"queries": queries})
    assert_refused(posted, 413, "too_large")  # no URL is that long


async def test_a_query_set_of_just_the_limit_is_served(server: Running) -> None:
    queries = [notes(str(number)) for number in range(limits.QUERY_SET_MAX)]
    async with server.http.stream("POST", "/api/sync", json={"queries": queries}) as response:
        event = await anext(events_of(response))
    assert event.data["queries"].keys() == {str(number) for number in range(limits.QUERY_SET_MAX)}


async def test_a_query_that_fails_leaves_the_others_alone(server: Running) -> None:
    queries = {
        "good": ("board.notes", {"topic": "a"}),
        "unknown": ("board.nope", {}),
        "hidden": ("board.secrets", {}),
        "kind": ("board.add", {"topic": "a"}),
        "missing": ("board.notes", {}),
        "mistyped": ("board.liked", {"likes": "many"}),
        "huge": ("board.liked", {"likes": 2**63}),
        "broken": ("board.misspelt", {}),
    }
    follower = Follower(server.http, queries)
    async with follower.following():
        await follower.until(lambda f: f.values.keys() | f.errors.keys() == queries.keys())
        added = await server.mutation("board.add", topic="a")
        await follower.until(lambda f: f.values["good"] == [added])
    assert {id_: error["code"] for id_, error in follower.errors.items()} == {
        "unknown": "unknown_function",
        "hidden": "unknown_function",
        "kind": "unknown_function",
        "missing": "invalid_arguments",
        "mistyped": "invalid_arguments",
        "huge": "invalid_arguments",
        "broken": "internal",
    }
    assert follower.errors["missing"]["details"] == [
        {"argument": "topic", "problem": "it is missing"}
    ]
    assert all(error["retry"] == "never" for error in follower.errors.values())


# --- positions ------------------------------------------------------------------------------------

FORGED = ["nope", "1.1", "1.1~", "-1.1~abc", "1.1~ABC", "1.1~abc--", "1.1~a b", "4294967296.0~a"]


@pytest.mark.parametrize("position", [*FORGED, "x" * 65])
async def test_a_forged_position_is_400(server: Running, position: str) -> None:
    whole = await server.http.get(url(notes(), **{"from": position}))
    assert_refused(whole, 400, "malformed")
    own = await server.http.get(url(notes(**{"from": position}), notes("other")))
    assert_refused(own, 400, "malformed")
    live = await server.http.get(
        "/api/live/board.notes", params={"args": '{"topic":"a"}', "from": position}
    )
    assert_refused(live, 400, "malformed")


@pytest.mark.parametrize("position", [*FORGED, "x" * 65, "é"])
async def test_a_forged_last_event_id_is_a_snapshot(server: Running, position: str) -> None:
    headers = {"Last-Event-ID": position.encode()}
    async with server.http.stream("GET", url(notes()), headers=headers) as response:
        event = await anext(events_of(response))
    assert event.data == {"from": None, "queries": {"q": {"snapshot": []}}}


async def build_of(server: Running) -> str:
    answer = (await server.http.post("/api/query/board.notes", json={"topic": "a"})).json()
    return answer["position"].partition("~")[2]


async def test_a_position_ahead_of_the_cluster_is_400(server: Running) -> None:
    ahead = f"4000000000.1~{await build_of(server)}"
    for where in (
        url(notes(), **{"from": ahead}),
        url(notes(**{"from": ahead}), notes("other")),
        httpx2.URL("/api/live/board.notes", params={"args": '{"topic":"a"}', "from": ahead}),
    ):
        response = await server.http.get(where)
        assert_refused(response, 400, "position_ahead", "resync")


async def test_a_last_event_id_ahead_of_the_cluster_is_a_snapshot(server: Running) -> None:
    ahead = f"4000000000.1~{await build_of(server)}"
    event = await first(server, url(notes()), **{"Last-Event-ID": ahead})
    assert event.data == {"from": None, "queries": {"q": {"snapshot": []}}}
    live = httpx2.URL("/api/live/board.notes", params={"args": '{"topic":"a"}'})
    assert (await first(server, live, **{"Last-Event-ID": ahead})).data == {"snapshot": []}


async def test_a_position_of_another_build_is_a_snapshot(server: Running) -> None:
    seconds = (await first(server, url(notes()))).id
    assert seconds is not None
    for foreign in (seconds.partition("~")[0] + "~zzzzzz", "4000000000.1~zzzzzz"):
        event = await first(server, url(notes(), **{"from": foreign}))
        assert event.data == {"from": None, "queries": {"q": {"snapshot": []}}}
        event = await first(server, url(notes()), **{"Last-Event-ID": foreign})
        assert event.data == {"from": None, "queries": {"q": {"snapshot": []}}}


async def test_an_old_position_is_continued_by_a_snapshot(server: Running) -> None:
    event = await first(server, url(notes(), **{"from": f"1.1~{await build_of(server)}"}))
    assert event.data["queries"] == {"q": {"snapshot": []}}


# --- one query ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("board.nope", 404, "unknown_function"),
        ("board.secrets", 404, "unknown_function"),
        ("board.add?args={}", 404, "unknown_function"),
        ("board.notes", 422, "invalid_arguments"),
        ('board.notes?args={"topic":5}', 422, "invalid_arguments"),
        ('board.notes?args={"topic":"a","x":1}', 422, "invalid_arguments"),
        ("board.notes?args=", 400, "malformed"),
        ("board.notes?args=[]", 400, "malformed"),
        ("board.notes?args={", 400, "malformed"),
        ('board.notes?args={"topic":NaN}', 400, "malformed"),
        ("board.anything?args=" + '{"value":' * 70 + "1" + "}" * 70, 400, "malformed"),
    ],
)
async def test_a_live_query_is_refused_as_a_call_is(
    server: Running, path: str, status: int, code: str
) -> None:
    assert_refused(await server.http.get(f"/api/live/{path}"), status, code)


async def test_a_live_query_that_raises_says_so_in_its_stream(server: Running) -> None:
    event = await first(server, "/api/live/board.misspelt")
    assert event.data.keys() == {"error"}
    assert event.data["error"]["code"] == "internal"


# --- origins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "null",
        "",
        APP + ".evil.example",
        "http://app.example.com",
        APP + ":8443",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "file://",
        "javascript:alert(1)",
        "http://[",
        "http://127.0.0.1:99999999",
    ],
)
async def test_another_origin_is_refused_before_anything_runs(server: Running, origin: str) -> None:
    headers = {"Origin": origin}
    for method, path in [
        ("POST", "/api/mutation/board.add"),
        ("POST", "/api/query/board.notes"),
        ("POST", "/api/action/board.work"),
        ("GET", str(url(notes()))),
        ("POST", "/api/sync"),
        ("GET", '/api/live/board.notes?args={"topic":"a"}'),
        ("OPTIONS", "/api/mutation/board.add"),
        ("GET", "/nope"),
        ("GET", "/metrics"),
        ("GET", "/api/live-queries"),
    ]:
        response = await server.http.request(
            method, path, headers=headers, content=b'{"topic":"a"}' if method == "POST" else None
        )
        assert_refused(response, 403, "origin_not_allowed")
        assert not [name for name in response.headers if name.startswith("access-control")]
    assert await server.query("board.notes", topic="a") == []


async def test_the_log_names_each_refused_origin_once_and_not_without_end(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """A browser hides the refusal from the page, and so from whoever develops it."""
    for _ in range(2):
        for number in range(limits.ORIGINS_TOLD_MAX + 5):
            headers = {"Origin": f"http://page{number}.example"}
            await server.http.get("/healthz", headers=headers)
    told = [message for message in caplog.messages if "HEADWATER_ALLOWED_ORIGINS" in message]
    assert 0 < len(told) <= limits.ORIGINS_TOLD_MAX
    assert len(set(told)) == len(told)


async def test_our_own_origin_is_allowed(server: Running) -> None:
    port = httpx2.URL(server.url).port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LocalHost:{port}"):
        response = await server.http.post(
            "/api/mutation/board.add",
            json={"topic": "a"},
            headers={"Origin": f"http://{host.lower()}", "Host": host},
        )
        assert response.status_code == 200, response.text
        assert "access-control-allow-origin" not in response.headers
    behind_a_proxy = await server.http.post(
        "/api/mutation/board.add",
        json={"topic": "a"},
        headers={"Origin": "https://notes.example", "Host": "notes.example"},
    )
    assert behind_a_proxy.status_code == 200


@pytest.mark.parametrize(
    ("origin", "site", "status"),
    [
        ("http://localhost:5173", "same-origin", 200),
        ("http://localhost:5173", "same-site", 403),
        (EVIL, "cross-site", 403),
        ("null", "same-origin", 403),
    ],
)
async def test_a_proxy_that_names_its_target_as_host_does_not_make_a_page_foreign(
    server: Running, origin: str, site: str, status: int
) -> None:
    """As vite's does by `proxy: { "/api": "http://…" }`."""
    response = await server.http.post(
        "/api/mutation/board.add",
        json={"topic": "a"},
        headers={"Origin": origin, "Sec-Fetch-Site": site},
    )
    assert response.status_code == status, response.text


async def test_an_allowed_origin_may_read_answers_and_errors(server: Running) -> None:
    headers = {"Origin": APP}
    answers = [
        await server.http.post("/api/mutation/board.add", json={"topic": "a"}, headers=headers),
        await server.http.post("/api/mutation/board.add", json={}, headers=headers),
        await server.http.post("/api/query/board.nope", json={}, headers=headers),
        await server.http.post("/api/query/board.notes", content=b"", headers=headers),
        await server.http.get("/api/sync", headers=headers),
        await server.http.get("/nope", headers=headers),
        await server.http.get("/api/query/board.notes", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 404, 415, 400, 404, 405]
    for answer in answers:
        assert_readable(answer)


def assert_readable(response: httpx2.Response) -> None:
    assert response.headers["access-control-allow-origin"] == APP
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in response.headers["vary"]


async def test_an_allowed_origin_may_read_streams(server: Running) -> None:
    live = '/api/live/board.notes?args={"topic":"a"}'
    for where in (url(notes()), live):
        async with server.http.stream("GET", where, headers={"Origin": APP}) as response:
            assert_readable(response)
            assert "snapshot" in json.dumps((await anext(events_of(response))).data)


async def test_an_allowed_origin_may_ask_beforehand(server: Running) -> None:
    response = await server.http.options(
        "/api/mutation/board.add",
        headers={
            "Origin": APP,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,idempotency-key,headwater-client",
        },
    )
    assert response.status_code == 204
    assert_readable(response)
    allowed = response.headers["access-control-allow-headers"]
    assert {"content-type", "idempotency-key", "headwater-client"} <= set(allowed.split(", "))
    assert response.headers["access-control-allow-methods"] == "GET, POST"


async def test_an_allowed_origin_may_read_that_the_server_failed(database_uri: str) -> None:
    def broken(_: Any) -> None:
        raise RuntimeError("hush")

    allowed = frozenset({APP})
    async with serving(
        database_uri, board.HERE, authenticate=broken, allowed_origins=allowed
    ) as server:
        for path in ("/api/query/board.notes", "/api/sync"):
            response = await server.http.post(path, json={}, headers={"Origin": APP})
            assert_refused(response, 500, "internal")
            assert_readable(response)
            assert "hush" not in response.text


async def test_a_program_without_an_origin_is_let_through(server: Running) -> None:
    response = await server.http.post("/api/mutation/board.add", json={"topic": "a"})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
