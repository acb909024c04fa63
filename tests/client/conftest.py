"""One server for the tests of a module, and a client of it."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from starlette.requests import HTTPConnection

from server.client import Client
from server.runtime import Caller
from tests import board
from tests.serving import Running, serving
from tests.waiting import eventually


def by_header(connection: HTTPConnection) -> Caller:
    """Who asks is who says so, in a header, a cookie or a bearer."""
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return Caller(connection.headers.get("x-user") or connection.cookies.get("user") or bearer)


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    uri = mongo_uri.replace("/headwater?", f"/client_{uuid4().hex[:12]}?")
    async with serving(uri, board.HERE, authenticate=by_header) as running:
        yield running


@pytest.fixture
async def client(server: Running) -> AsyncIterator[Client]:
    hub = server.app._services.hub  # type: ignore[union-attr]
    await eventually(lambda: len(hub) == 0)  # nobody follows who was of the test before
    async with Client(server.url, headers={"X-User": "ada"}) as one:
        yield one


@pytest.fixture
def topic() -> str:
    """One that no other test uses."""
    return uuid4().hex
