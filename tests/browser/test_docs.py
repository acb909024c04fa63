"""The OpenAPI page in a real Chromium: it describes the functions, and calls them."""

import hashlib
import json
from typing import Any

import httpx2
import pytest
from playwright.async_api import BrowserContext, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from server.web.docs import swagger_ui
from tests.browser.conftest import OpenTab
from tests.serving import http_server, serving

pytestmark = pytest.mark.browser

# Of npm's swagger-ui-dist 5.31.0.
FILES = {
    "swagger-ui-bundle.js": "93b7b0862a80e2786f85b560be7693c2344354ffa7e7e224f850a54349724c31",
    "swagger-ui.css": "9e576f8322132c76949da47f9bb53c891373c303ea3a761ff548ffc9de50a98c",
}


def test_its_files_are_those_that_swagger_ui_was_released_with() -> None:
    folder = swagger_ui()
    assert folder is not None
    for name, digest in FILES.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("prefix", ["", "/deep/below"])
async def test_a_query_is_tried_out_and_nothing_is_asked_of_anybody_else(
    database_uri: str, open_tab: OpenTab, context: BrowserContext, prefix: str
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="Rivers")
        app: Any = Starlette(routes=[Mount(prefix, server.app)]) if prefix else server.app
        async with http_server(app) as url:
            tab = await open_tab(f"{url}{prefix}/docs")
            operation = tab.page.locator("[id^=operations-tasks-][id$='.get']")
            await operation.locator(".opblock-summary-control").click()
            body = operation.locator("textarea")
            await body.fill(json.dumps({"taskId": task["_id"]}))
            await operation.get_by_role("button", name="Execute").click()
            answer = operation.locator(".live-responses-table .highlight-code").first
            await expect(answer).to_contain_text('"title": "Rivers"')
            await expect(operation.locator(".request-url pre")).to_have_text(
                f"{url}{prefix}/api/query/tasks.get"
            )
            await operation.get_by_role("tab", name="Schema").first.click()
            await expect(
                operation.locator(".model-box, .json-schema-2020-12").first
            ).to_be_visible()
            assert tab.complaints == []
            await tab.page.close()
    assert {address for address in asked if not address.startswith(f"{url}{prefix}/")} == set()


async def test_its_files_are_kept_by_their_version_and_nothing_else_is_served(
    database_uri: str,
) -> None:
    async with serving(database_uri) as server:
        page = await server.http.get("/docs")
        assert "unsafe" not in page.headers["content-security-policy"]
        assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
        file = await server.http.get("/docs/5.31.0/swagger-ui.css")
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        for path in ("5.31.0/index.html", "5.30.0/swagger-ui.css", "5.31.0/..%2F..%2F__init__.py"):
            assert (await server.http.get(f"/docs/{path}")).status_code == 404
        told: httpx2.Response = await server.http.get("/openapi.json")
        assert told.json()["servers"] == [{"url": "."}]
