"""What every test may ask for."""

import asyncio
import os
import shutil
import signal
import tempfile
import warnings
from asyncio import selector_events
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from pymongo import AsyncMongoClient

from server.core import limits
from server.store.embedded import EmbeddedMongo

# What runs in the background of a shell ignores Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no reason to fail: no example has a deadline, and none is made too slowly.
settings.register_profile(
    "patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

_transports: Any = vars(selector_events)["_SelectorTransport"]
_warn_of_transport = _transports.__del__


def _warn_with_protocol(transport: Any) -> None:
    """A connection that nobody closed says whose it was: pyproject.toml filters by that."""

    def warn(message: str, *rest: Any, **more: Any) -> None:
        warnings.warn(f"{message} of {type(transport._protocol).__name__}", *rest, **more)

    _warn_of_transport(transport, warn)


_transports.__del__ = _warn_with_protocol


def pytest_xdist_auto_num_workers() -> int:
    """One process more than processors, for tests wait a third of their time."""
    return min((os.cpu_count() or 1) + 1, 4)


# On tmpfs a mongod starts in half the time.
FAST = Path("/dev/shm")


@pytest.fixture(scope="session")
def fast_dir() -> Iterator[Path]:
    """A folder for the whole session, in memory where there is such a place."""
    path = Path(tempfile.mkdtemp(prefix="headwater-", dir=FAST if FAST.is_dir() else None))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
async def mongo_uri(fast_dir: Path) -> AsyncIterator[str]:
    """A real MongoDB, one for the whole session."""
    embedded = EmbeddedMongo(fast_dir / "session")
    yield await embedded.start()
    await embedded.stop()


@pytest.fixture(scope="session")
async def mongo(mongo_uri: str) -> AsyncIterator[AsyncMongoClient[Any]]:
    """A client of it, which sees no more than a server sees."""
    safe = {"w": "majority", "journal": True, "readConcernLevel": "majority"}
    async with AsyncMongoClient[Any](mongo_uri, **safe) as client:
        yield client


@pytest.fixture
def patient_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream's first word waits for all of its queries, however slow the machine is."""
    monkeypatch.setattr(limits, "FIRST_GRACE_SECONDS", 60.0)


@pytest.fixture
def patient_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still is not taken for a MongoDB that does: what is to fail is met."""
    monkeypatch.setattr(limits, "FEED_PATIENCE_SECONDS_MIN", 60.0)


@pytest.fixture
async def slow_transactions(mongo: AsyncMongoClient[Any]) -> AsyncIterator[None]:
    """MongoDB gives up no transaction, however slow the machine is."""
    name = "transactionLifetimeLimitSeconds"
    before = (await mongo.admin.command("getParameter", 1, **{name: 1}))[name]
    await mongo.admin.command("setParameter", 1, **{name: 600})
    yield
    await mongo.admin.command("setParameter", 1, **{name: before})


@pytest.fixture
async def database_uri(mongo_uri: str, mongo: AsyncMongoClient[Any]) -> AsyncIterator[str]:
    """The URI of an empty database of the test's own; it is dropped afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    yield mongo_uri.replace("/headwater?", f"/{name}?")
    dropping = asyncio.create_task(mongo.drop_database(name))
    # It waits for the journal's next turn, ten times a second; whoever writes makes it come.
    while not dropping.done():
        await mongo.test_journal.turns.update_one({"_id": 1}, {"$inc": {"n": 1}}, upsert=True)
        await asyncio.wait([dropping], timeout=0.005)
    await dropping
