"""A stand-in on a real port, and Claude's real SDK pointed at it."""

from collections.abc import AsyncIterator

import pytest

from server.llm import Claude, ClaudeLimits
from server.llm.standin import StandinServer

KEY = "sk-ant-the-deployments-own-0123456789"
CALLERS_KEY = "sk-ant-a-callers-own-9876543210"

LIMITS = ClaudeLimits(retry_delay_ms=1)


@pytest.fixture(scope="session")
async def standin_server() -> AsyncIterator[StandinServer]:
    server = StandinServer(deltas_per_second=float("inf"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def standin(standin_server: StandinServer) -> StandinServer:
    standin_server.script.clear()
    return standin_server


@pytest.fixture
async def claude(standin: StandinServer) -> AsyncIterator[Claude]:
    async with Claude(
        KEY, standin.base_url, callers_base_url=standin.base_url, limits=LIMITS
    ) as claude:
        yield claude
