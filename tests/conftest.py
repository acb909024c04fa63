"""What every test may ask for."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient

from server.store.embedded import EmbeddedMongo

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


@pytest.fixture
async def database_uri(mongo_uri: str) -> AsyncIterator[str]:
    """The URI of an empty database of the test's own; it is dropped afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    yield mongo_uri.replace("/headwater?", f"/{name}?")
    async with AsyncMongoClient(mongo_uri) as client:
        await client.drop_database(name)
