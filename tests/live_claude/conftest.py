"""The real service, by ANTHROPIC_API_KEY; only `make test-live` asks it."""

import os
from collections.abc import AsyncIterator

import httpx2
import pytest

from server.app import create_app
from server.llm import CLAUDE_BASE_URL
from server.settings import Settings
from tests.serving import http_server

CHEAP = "claude-haiku-5-5"
"""The model that is asked where it does not matter which."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get("HEADWATER_LIVE"):
        for item in items:
            if item.get_closest_marker("live"):
                item.add_marker(pytest.mark.skip("asks the real Claude; see make test-live"))


@pytest.fixture
def api_key() -> str:
    return os.environ["ANTHROPIC_API_KEY"]


@pytest.fixture
def base_url() -> str:
    return os.environ.get("ANTHROPIC_BASE_URL") or CLAUDE_BASE_URL


@pytest.fixture
async def server(
    database_uri: str, api_key: str, base_url: str
) -> AsyncIterator[httpx2.AsyncClient]:
    """A Headwater server that asks the real service; gives a client of it."""
    settings = Settings(
        mongodb_uri=database_uri,
        anthropic_api_key=api_key,
        anthropic_base_url=base_url,
        standin=False,
    )
    app = create_app(settings)
    async with (
        app.lifespan(),
        http_server(app) as url,
        httpx2.AsyncClient(base_url=url, timeout=120) as http,
    ):
        yield http


@pytest.fixture
async def claude(api_key: str, base_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The service itself."""
    headers = {"x-api-key": api_key, "anthropic-version": "2023-06-01"}
    async with httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=120) as http:
        yield http
