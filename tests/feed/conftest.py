"""A replica set of three for the tests of this folder, and what a server on it says."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.replica_set import ReplicaSet, replica_set


@pytest.fixture(scope="package")
async def three(fast_dir: Path) -> AsyncIterator[ReplicaSet]:
    """Three mongods, shared by the tests of this folder."""
    async with replica_set(fast_dir / "three") as made:
        yield made


@pytest.fixture
async def members(three: ReplicaSet) -> AsyncIterator[ReplicaSet]:
    """The three, well at the beginning and again at the end."""
    await three.heal()
    yield three
    await three.heal()
