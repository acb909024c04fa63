"""One server for the tests of a module."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from starlette.requests import HTTPConnection

from server.runtime import Caller
from tests import board
from tests.serving import Running, serving


def by_header(connection: HTTPConnection) -> Caller:
    """Who asks is who says so."""
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return Caller(connection.headers.get("x-user") or bearer or "nobody")


@pytest.fixture(scope="module")
async def board_server(mongo_uri: str) -> AsyncIterator[Running]:
    """It serves `tests.board`."""
    uri = mongo_uri.replace("/headwater?", f"/cli_{uuid4().hex[:12]}?")
    async with serving(uri, board.HERE, authenticate=by_header) as running:
        yield running


@pytest.fixture
def topic() -> str:
    """One that no other test uses."""
    return uuid4().hex
