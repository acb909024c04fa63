"""Where a command finds the database: as the settings say, or the embedded MongoDB."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from server.core.errors import StartupError
from server.settings import Settings
from server.store.data_folder import DataFolder
from server.store.embedded import join_or_start
from server.store.redact import shown_hosts

__all__ = ["database_at"]


@asynccontextmanager
async def database_at(
    settings: Settings, *, reads: bool = False
) -> AsyncGenerator[tuple[str, str]]:
    """The database's URI, and what may be shown of it.

    The embedded MongoDB is joined where it runs, and else started for the length of the block.

    Args:
        settings: They say where it is.
        reads: It is only read: where no embedded MongoDB has ever been, none is made.

    Raises:
        StartupError: It cannot be started, or there is nothing to read.
    """
    if settings.mongodb_uri is not None:
        yield settings.mongodb_uri, shown_hosts(settings.mongodb_uri)
        return
    folder = DataFolder(settings.data_dir)
    if reads and not folder.has_data:
        raise StartupError(
            f"There is no database to read, for no server has kept one in {folder.path}; run this "
            "where the server runs, or name its HEADWATER_DATA_DIR or HEADWATER_MONGODB_URI."
        )
    async with join_or_start(settings.data_dir, settings.mongod) as uri:
        yield uri, f"the embedded MongoDB in {settings.data_dir}"
