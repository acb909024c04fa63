"""Where a command finds the database: as the settings say, or the embedded MongoDB."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from server.core.errors import StartupError
from server.settings import Settings
from server.store.data_folder import DataFolder
from server.store.embedded import join_or_start
from server.store.redact import shown_hosts

if TYPE_CHECKING:
    from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["database_at", "open_database"]

LONG_MS = 600_000
"""How long one operation of a command may take, be it the removal of a large table."""


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


@asynccontextmanager
async def open_database(
    name: str, *, reads: bool = False
) -> AsyncGenerator[tuple["AsyncDatabase[dict[str, Any]]", str]]:
    """The database that the settings name, found fit, and what may be shown of where it is.

    Args:
        name: The command's, under which MongoDB shows its connections.
        reads: As for `database_at`.

    Raises:
        StartupError: There is none, it will not do, or it stopped answering in the block.
    """
    from pymongo.errors import OperationFailure, PyMongoError

    from server.store.connection import connect_client, database_name
    from server.store.deployment import check_deployment

    async with database_at(Settings(), reads=reads) as (uri, shown):
        client = await connect_client(uri, app_name=f"headwater {name}", socket_timeout_ms=LONG_MS)
        async with client:
            await check_deployment(client, database_name(uri))
            try:
                yield client[database_name(uri)], shown
            except OperationFailure as error:
                reason = str((error.details or {}).get("errmsg", error))[:300]
                raise StartupError(
                    f"MongoDB at {shown} refused ({reason}); mend that, and run this again."
                ) from error
            except PyMongoError as error:
                raise StartupError(
                    f"MongoDB at {shown} stopped answering ({type(error).__name__}); look whether "
                    "it runs, and run this again."
                ) from error
