"""A tab that is closed says so, by what a real Chromium sends after the page has gone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import BrowserContext
from starlette.requests import HTTPConnection

from server.runtime import Caller
from tests.serving import Running, http_server, serving
from tests.sse import Follower

pytestmark = pytest.mark.browser

BY_BEACON = """
  ([url, who]) => addEventListener("pagehide", () => {
    const body = new Blob([JSON.stringify(who)], { type: "application/json" });
    navigator.sendBeacon(`${url}/api/mutation/presence.removePresence`, body);
  })
"""

BY_CLIENT = """
  async ([url, who]) => {
    const { createClient } = await import("/browser/client.js");
    const client = createClient({ url, headers: () => ({ Authorization: "Bearer ada" }) });
    addEventListener("pagehide", () => {
      client.mutation("presence.removePresence", who, { idempotent: true, keepalive: true });
    });
  }
"""


def authenticate(connection: HTTPConnection) -> Caller | None:
    return Caller("ada") if connection.headers.get("authorization") == "Bearer ada" else None


@pytest.fixture
async def elsewhere(mongo_uri: str) -> AsyncIterator[str]:
    """An origin whose pages must ask before they may post."""
    async with serving(mongo_uri.replace("/headwater?", "/elsewhere?")) as server:
        yield server.url


def far(app: Any) -> Any:
    """The same app, of whose leave to post a page hears only when it is gone."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "OPTIONS":
            await asyncio.sleep(0.5)
        await app(scope, receive, send)

    return asgi


async def assert_who_closes_leaves(
    server: Running, context: BrowserContext, elsewhere: str, how: str
) -> None:
    task = (await server.mutation("tasks.create", title="T"))["_id"]
    who = {"taskId": task, "userId": "ada", "tabId": "1"}
    await server.mutation("presence.updatePresence", userName="Ada", **who)
    listed = {"taskId": task, "timeoutMs": 3_600_000}  # not of who just says nothing
    follower = Follower(server.http, {"people": ("presence.getActiveUsers", listed)})
    async with http_server(far(server.app)) as url, follower.following():
        await follower.until(lambda f: len(f.values.get("people", ())) == 1)
        page = await context.new_page()
        await page.goto(f"{elsewhere}/healthz")
        await page.evaluate(how, [url, who])
        await page.close()
        await follower.until(lambda f: f.values["people"] == [])


async def test_by_a_beacon(database_uri: str, context: BrowserContext, elsewhere: str) -> None:
    async with serving(database_uri, allowed_origins=elsewhere) as server:
        await assert_who_closes_leaves(server, context, elsewhere, BY_BEACON)


async def test_by_a_call_that_says_who_it_is(
    database_uri: str, context: BrowserContext, elsewhere: str
) -> None:
    async with serving(
        database_uri, authenticate=authenticate, allowed_origins=elsewhere
    ) as server:
        server.http.headers["Authorization"] = "Bearer ada"
        await assert_who_closes_leaves(server, context, elsewhere, BY_CLIENT)
