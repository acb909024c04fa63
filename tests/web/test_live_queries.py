"""``/api/live-queries``: who may look, and what is never seen there."""

from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from server.runtime import Caller
from tests.live import diagnosed_app
from tests.serving import Running, serving
from tests.sse import Follower

TOKEN = "an-operators-token-0123456789"
PATH = "/api/live-queries"


def by_header(connection: HTTPConnection) -> Caller | None:
    user = connection.headers.get("x-user") or connection.query_params.get("client")
    return Caller(user) if user else None


async def asked(server: Running, **headers: str) -> httpx2.Response:
    return await server.http.get(PATH, headers={k.replace("_", "-"): v for k, v in headers.items()})


def assert_refused(response: httpx2.Response, status: int, code: str, cure: str) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert (error["code"], error["retry"]) == (code, "never")
    assert cure in error["message"]
    assert TOKEN not in response.text


async def test_with_a_token_only_who_shows_it_may_look(database_uri: str) -> None:
    token = SecretStr(TOKEN)
    async with serving(database_uri, [diagnosed_app], operator_token=token) as server:
        for wrong in (
            {},
            {"authorization": TOKEN},
            {"authorization": f"Basic {TOKEN}"},
            {"authorization": f"Bearer {TOKEN[:-1]}"},
            {"authorization": f"Bearer {TOKEN}x"},
            {"authorization": "Bearer"},
            {"authorization": "Bearer caf\xe9"},
            {"cookie": f"token={TOKEN}"},
        ):
            refused = await server.http.get(
                PATH, headers={k: v.encode("latin-1") for k, v in wrong.items()}
            )
            assert_refused(refused, 401, "unauthenticated", "HEADWATER_OPERATOR_TOKEN")
        in_the_url = await server.http.get(f"{PATH}?token={TOKEN}")
        assert_refused(in_the_url, 401, "unauthenticated", "Bearer")
        right = await asked(server, Authorization=f"bearer {TOKEN}")
        assert right.status_code == 200
        assert right.headers["cache-control"] == "no-store"
        assert right.json()["queries"] == []
        assert TOKEN not in repr(server.app.settings)


async def test_without_a_token_it_is_open_to_this_machine_alone(database_uri: str) -> None:
    async with serving(database_uri, [diagnosed_app]) as server:
        assert (await asked(server)).status_code == 200
        assert (await asked(server, Host="localhost:1")).status_code == 200
        assert (await asked(server, Host="[::1]:1")).status_code == 200
        for elsewhere in (
            {"Host": "rebound.example"},
            {"Host": "127.0.0.1.example.com"},
            {"Host": "[::1"},
            {"X-Forwarded-For": "203.0.113.7"},
            {"Forwarded": "for=203.0.113.7"},
        ):
            refused = await server.http.get(PATH, headers=elsewhere)
            assert_refused(refused, 403, "forbidden", "start it with HEADWATER_OPERATOR_TOKEN")


async def test_a_caller_of_the_application_is_no_operator(database_uri: str) -> None:
    async with serving(database_uri, [diagnosed_app], authenticate=by_header) as server:
        refused = await asked(server, X_User="ada")
        assert_refused(refused, 403, "forbidden", "HEADWATER_OPERATOR_TOKEN")


async def test_a_server_that_others_can_reach_wants_a_token(database_uri: str) -> None:
    async with serving(database_uri, [diagnosed_app], host="0.0.0.0") as server:
        assert_refused(await asked(server), 403, "forbidden", "HEADWATER_OPERATOR_TOKEN")


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1.5", "²"])
async def test_a_limit_that_is_none_is_refused(database_uri: str, limit: str) -> None:
    async with serving(database_uri, [diagnosed_app]) as server:
        response = await server.http.get(PATH, params={"limit": limit})
        assert_refused(response, 400, "malformed", "from 1 to 1000")


async def test_no_secret_of_anybodys_arguments_is_seen(
    database_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    arguments: dict[str, Any] = {
        "town": "canary-town",
        "apiKeys": {"anthropic": "hush-1"},
        "login": {"user": "ada", "word": "hush-2"},
        "code": "hush-3",
        "extra": [{"nested": {"password": "hush-4"}}, "mongodb://u:hush-5@example.com/"],
    }
    async with serving(database_uri, [diagnosed_app]) as server:
        follower = Follower(server.http, {"q": ("diagnosedApp.guarded", arguments)})
        async with follower.following():
            await follower.until(lambda f: f.values == {"q": 0})
            seen = (await asked(server)).text + (await server.http.get("/metrics")).text
    assert "canary-town" in seen
    assert "ada" in seen
    assert "hush" not in seen
    # The test's own client logs the URLs that it asks for.
    ours = [one for one in caplog.records if not one.name.startswith("http")]
    assert not [one for one in ours if "hush" in one.getMessage()]


async def test_callers_are_told_apart_and_not_named(database_uri: str) -> None:
    token = SecretStr(TOKEN)
    async with serving(
        database_uri, [diagnosed_app], authenticate=by_header, operator_token=token
    ) as server:
        queries = {"q": ("diagnosedApp.mine", {})}
        ada, eve = (Follower(server.http, queries, client=user) for user in ("ada", "eve"))
        async with ada.following(), eve.following():
            for follower in (ada, eve):
                await follower.until(lambda f: f.values == {"q": 0})
            answer = await asked(server, Authorization=f"Bearer {TOKEN}")
    rows = answer.json()["queries"]
    assert len({row["caller"] for row in rows}) == len(rows) == 2
    assert "ada" not in answer.text
