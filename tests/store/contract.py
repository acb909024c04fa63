"""The store on an empty database, by each of its doors."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from schemas.document import Document, Index
from server.settings import Driver
from server.store.collections import ensure
from server.store.connection import connect_client, database_name
from server.store.memory import open_memory
from server.store.reads import Reads
from server.store.writes import Writes

DRIVERS = ["pymongo", "motor"]
DOORS = [*DRIVERS, "memory"]


class Row(Document, collection="rows", indexes=[Index(("slug",), unique=True), ("group", "n")]):
    slug: str
    group: str = ""
    n: int = 0


@dataclass
class Store:
    name: str
    database: Any
    reads: Reads
    writes: Writes

    async def all(self, **query: Any) -> list[dict[str, Any]]:
        """What is in the table, by its ``_id``."""
        async with self.writes.single() as session:
            return await session.find("rows", query, sort=[("_id", 1)])


@asynccontextmanager
async def opened(door: str, uri: str) -> AsyncIterator[Store]:
    """The store of the database at `uri`, or of one in memory."""
    async with AsyncExitStack() as stack:
        if door == "memory":
            database: Any = open_memory("contract")
        else:
            client = await connect_client(uri, driver=cast("Driver", door))
            stack.push_async_callback(client.close)
            database = client[database_name(uri)]
        await ensure(database, [Row])
        yield Store(database_name(uri), database, Reads(database), Writes(database))


def row(id_: str, **fields: Any) -> dict[str, Any]:
    return {"_id": id_, "slug": id_, "group": "g", "n": 0, **fields}
