"""Performs writes that are data, by a connection that Headwater knows nothing of."""

from typing import Any

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import OperationFailure

__all__ = ["perform"]


async def perform(database: Any, write: dict[str, Any]) -> None:
    """Do it; what MongoDB refuses is refused."""
    try:
        await _perform(database, write, None)
    except OperationFailure:
        return


async def _perform(database: Any, write: dict[str, Any], session: Any) -> None:
    kind: str = write["do"]
    match kind:
        case "drop_database":
            await database.client.drop_database(database.name)
        case "bulk":
            await _bulk(database, write)
        case "transaction":
            await _transaction(database, write)
        case _:
            await _on_collection(database[write["in"]], kind, write, session)


async def _on_collection(collection: Any, kind: str, write: dict[str, Any], session: Any) -> None:
    query = write.get("filter")
    match kind:
        case "insert_one":
            await collection.insert_one(dict(write["document"]), session=session)
        case "insert_many":
            documents = [dict(one) for one in write["documents"]]
            await collection.insert_many(documents, ordered=write["ordered"], session=session)
        case "replace_one":
            upsert = write.get("upsert", False)
            await collection.replace_one(query, write["document"], upsert=upsert, session=session)
        case "update_one" | "update_many":
            act = collection.update_one if kind == "update_one" else collection.update_many
            await act(query, write["update"], session=session, **_options(write))
        case "delete_one":
            await collection.delete_one(query, session=session)
        case "delete_many":
            await collection.delete_many(query, session=session)
        case "find_one_and_update":
            sort = [tuple(one) for one in write["sort"]]
            await collection.find_one_and_update(
                query, write["update"], sort=sort, **_options(write)
            )
        case "find_one_and_replace":
            sort = [tuple(one) for one in write["sort"]]
            await collection.find_one_and_replace(query, write["document"], sort=sort)
        case "find_one_and_delete":
            await collection.find_one_and_delete(query)
        case "drop":
            await collection.drop()
        case "create":
            await collection.database.create_collection(collection.name, check_exists=False)
        case "rename":
            await collection.rename(write["to"], dropTarget=True)
        case "aggregate":
            await collection.aggregate(write["pipeline"])
        case _:
            raise AssertionError(f"unknown write {kind!r}")


def _options(write: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"upsert": write.get("upsert", False)}
    if "arrayFilters" in write:
        options["array_filters"] = write["arrayFilters"]
    return options


async def _bulk(database: Any, write: dict[str, Any]) -> None:
    """A bulk is of one collection: those of one follow one another, then come the next's."""
    for name in dict.fromkeys(one["in"] for one in write["writes"]):
        requests = [_request(one) for one in write["writes"] if one["in"] == name]
        try:
            await database[name].bulk_write(requests, ordered=write["ordered"])
        except OperationFailure:
            continue


def _request(one: dict[str, Any]) -> Any:
    query = one.get("filter")
    match one["do"]:
        case "insert_one":
            return InsertOne(dict(one["document"]))
        case "replace_one":
            return ReplaceOne(query, one["document"], upsert=one.get("upsert", False))
        case "update_one":
            return UpdateOne(query, one["update"], **_options(one))
        case "update_many":
            return UpdateMany(query, one["update"], **_options(one))
        case "delete_one":
            return DeleteOne(query)
        case _:
            return DeleteMany(query)


async def _transaction(database: Any, write: dict[str, Any]) -> None:
    """Given up where another writer is in the way, or MongoDB refuses one of its writes."""
    async with database.client.start_session() as session:
        await session.start_transaction()
        for one in write["writes"]:
            await _perform(database, one, session)
        if write["abort"]:
            await session.abort_transaction()
        else:
            await session.commit_transaction()
