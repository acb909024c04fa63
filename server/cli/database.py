"""Where a command finds the database: as the settings say, or the embedded MongoDB."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from server.settings import Settings
from server.store.embedded import join_or_start
from server.store.redact import shown_hosts

__all__ = ["database_at"]


@asynccontextmanager
async def database_at(settings: Settings) -> AsyncGenerator[tuple[str, str]]:
    """The database's URI, and what may be shown of it.

    The embedded MongoDB is joined where it runs, and else started for the length of the block.

    Raises:
        StartupError: It cannot be started.
    """
    if settings.mongodb_uri is not None:
        yield settings.mongodb_uri, shown_hosts(settings.mongodb_uri)
        return
    async with join_or_start(settings.data_dir, settings.mongod) as uri:
        yield uri, f"the embedded MongoDB in {settings.data_dir}"
