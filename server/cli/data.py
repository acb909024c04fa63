"""``headwater data``: the documents of a table."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.printable import counted, printable
from server.core.errors import StartupError

if TYPE_CHECKING:
    from schemas.document import Document

__all__ = ["data"]

FIND_MS_MAX = 30_000


def data(
    table: Annotated[
        str | None, typer.Argument(help="The table; without one, all tables are listed.")
    ] = None,
    where: Annotated[
        str, typer.Option("--filter", help="Which documents, in MongoDB's language, as JSON.")
    ] = "{}",
    sort: Annotated[
        str, typer.Option(help="Stored names with commas between; a leading - is descending.")
    ] = "-_id",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 20,
    fields: Annotated[
        str | None, typer.Option(help="Stored names with commas between; all by itself.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="As stored: internal fields too, and those of no table.")
    ] = False,
    app: Annotated[
        str | None, typer.Option(help="An app of your own whose table this is, as file.py:app.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A document a line, in relaxed Extended JSON.")
    ] = False,
) -> None:
    """Show documents of a table, or the tables.

    What an app marks as internal (leases, sessions) is left out, unless --raw
    is given, and so is what its table does not declare. It reads
    HEADWATER_MONGODB_URI, or the embedded MongoDB, also while a server runs.

    Examples:
      headwater data
      headwater data tasks --sort -updatedAt --limit 5
      headwater data chatMessages --filter '{"status": "FAILED"}'
      headwater data chatMessages --fields taskId,usage.totalTokens
      headwater data notes --app notes.py:app --json
    """
    if table is None:
        asyncio.run(_list(as_json=as_json))
    else:
        model = None if raw else _model(table, app)
        chosen = [name for name in (fields or "").split(",") if name]
        query = {"filter": _filter(where), "sort": _sort(sort), "fields": chosen}
        documents, more = asyncio.run(_find(table, model, query, limit))
        _print(documents, more, chosen, as_json=as_json)


async def _list(*, as_json: bool) -> None:
    """Print every table, with how many documents it has, more or less."""
    from server.cli.database import open_database
    from server.store.exporting import contents_of
    from server.store.extended_json import relaxed

    async with open_database("data", reads=True) as (database, shown):
        tables = (await contents_of(database)).tables
        if as_json:
            for name, count in tables.items():
                print(relaxed({"table": name, "documents": count}))  # for a program to read
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        rows = Table(box=None, header_style="dim")
        rows.add_column("table", overflow="fold")
        rows.add_column("documents", justify="right")
        for name, count in tables.items():
            rows.add_row(Text(printable(name)), f"{count:,}")
        console = Console(highlight=False)
        if tables:
            console.print(rows)
        console.print(
            Text(f"{counted(len(tables), 'table')} of {database.name!r} at {shown}", style="dim")
        )


def _model(table: str, app: str | None) -> "type[Document]":
    from server.cli.tables import declared_tables

    declared = declared_tables(app)
    if table not in declared:
        whose = "The built-in application" if app is None else app
        raise StartupError(
            f"{whose} has no table {table[:100]!r}, only {', '.join(sorted(declared))}; name the "
            "app that has it by --app file.py:app, or see what is stored by --raw."
        )
    return declared[table]


def _filter(text: str) -> Mapping[str, Any]:
    import bson

    from server.store.extended_json import Unreadable, from_line

    try:
        return bson.decode(from_line(text).raw)
    except Unreadable as error:
        raise StartupError(
            f"--filter cannot be read: {error}; write a JSON object in single quotes, such as "
            '\'{"status": "FAILED"}\'.'
        ) from None


def _sort(text: str) -> list[tuple[str, int]]:
    names = [name for name in text.split(",") if name.removeprefix("-")]
    keys = [(name.removeprefix("-"), -1 if name.startswith("-") else 1) for name in names]
    if not any(name == "_id" for name, _ in keys):
        keys.append(("_id", keys[-1][1] if keys else 1))  # so that their order is always the same
    return keys


async def _find(
    table: str, model: "type[Document] | None", query: Mapping[str, Any], limit: int
) -> tuple[list[Mapping[str, Any]], bool]:
    """The documents as they may be seen, and whether there are more."""
    from server.cli.database import open_database  # here, because other commands need no driver
    from server.cli.visible import visible

    async with open_database("data", reads=True) as (database, shown):
        found = await (
            database[table]
            .find(
                query["filter"],
                [*query["fields"], "_id"] if query["fields"] else None,
                sort=query["sort"],
                limit=limit + 1,
                max_time_ms=FIND_MS_MAX,
            )
            .to_list()
        )
        if not found and table not in await database.list_collection_names():
            raise StartupError(
                f"There is no table {table[:100]!r} in {database.name!r} at {shown}; `headwater "
                "data` lists those that are there."
            )
    documents = found if model is None else [visible(one, model) for one in found]
    return list(documents[:limit]), len(found) > limit


def _print(
    documents: Sequence[Mapping[str, Any]], more: bool, fields: Sequence[str], *, as_json: bool
) -> None:
    if as_json:
        from server.store.extended_json import relaxed

        for document in documents:
            print(relaxed(document))  # for a program to read
        return
    from rich.console import Console
    from rich.text import Text

    from server.cli.document_table import document_table

    console = Console(highlight=False)
    table, left_out = document_table(documents, fields, console.width)
    if documents:
        console.print(table)
    count = counted(len(documents), "document")
    console.print(Text(f"{count}, and more (--limit)" if more else count, style="dim"))
    if left_out:
        console.print(Text(f"not shown: {', '.join(left_out)} (--fields, --json)", style="dim"))
