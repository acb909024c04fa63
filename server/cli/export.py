"""``headwater export``: tables into files of Extended JSON."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.printable import counted
from server.core.errors import StartupError

__all__ = ["export"]


def export(
    tables: Annotated[
        list[str] | None, typer.Argument(help="The tables; all of the database by itself.")
    ] = None,
    to: Annotated[
        Path,
        typer.Option("--to", help="A folder, made if absent; or a .jsonl file, of one table."),
    ] = Path("export"),
    one_moment: Annotated[
        bool,
        typer.Option(
            "--one-moment/--as-read",
            help="All documents as they were at one time, for as long as MongoDB keeps it (5 "
            "minutes, unless told otherwise); or each as it is when it is read.",
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was written as JSON, for programs.")
    ] = False,
) -> None:
    """Write tables into files: a document a line, in MongoDB's canonical Extended
    JSON.

    All types come back as they were. A document that Extended JSON cannot carry
    is written as {"$bson": …}, which only `headwater import` reads; they are
    counted. Files appear when they are whole. Interrupted and run again it goes
    on with the tables that are missing, or begins anew where MongoDB has let go
    of the moment; an export that was complete is replaced.

    Indexes are not written, for a server makes its own when it starts; nor is
    what tells this database from others.

    Examples:
      headwater export --to backup/
      headwater export tasks users --to two-tables/
      headwater export chatMessages --to messages.jsonl
    """
    told = asyncio.run(_export(list(dict.fromkeys(tables or ())), to, one_moment, quiet=as_json))
    if as_json:
        print(json.dumps(told))  # for a program to read
    if told["leftOut"]:
        sys.exit(1)


async def _export(
    wanted: Sequence[str], to: Path, one_moment: bool, *, quiet: bool
) -> dict[str, Any]:
    from server.cli.database import open_database  # here, because other commands need no driver
    from server.cli.moving import moving
    from server.store.exporting import HistoryGone, contents_of, export_file, export_folder

    async with open_database("export", reads=True) as (database, shown):
        contents = await contents_of(database)
        for table in wanted:
            if table not in contents.tables:
                known = ", ".join(contents.tables) or "none"
                raise StartupError(
                    f"There is no table {table[:100]!r} to export in {database.name!r} at {shown}; "
                    f"it has {known}."
                )
        tables = {table: contents.tables[table] for table in wanted or contents.tables}
        left_out = {} if wanted else dict(contents.left_out)
        if not tables:
            raise StartupError(f"The database {database.name!r} at {shown} has no tables.")
        alone = _is_one_file(to, len(tables))
        with moving("documents", quiet=quiet) as shows:
            for table, why in left_out.items():
                shows.say(f"{table}: left out, for it {why}")
            for table in tables:
                if table in contents.notes:
                    shows.say(f"{table}: {contents.notes[table]}")
            try:
                if alone:
                    ((table, total),) = tables.items()
                    to.parent.mkdir(parents=True, exist_ok=True)
                    written = {table: await export_file(database, table, total, to, shows.told)}
                else:
                    manifest = await export_folder(
                        database, tables, to, shows.told, one_moment=one_moment
                    )
                    written = manifest.written
            except HistoryGone:
                raise StartupError(
                    "MongoDB does not keep the moment any more that this export shows; run it "
                    "with --as-read, or raise minSnapshotHistoryWindowInSeconds."
                ) from None
            except OSError as error:
                raise StartupError(
                    f"{to} cannot be written: {error.strerror or error}; make room or grant "
                    "access, and run this again."
                ) from None
        if not quiet:
            for table, one in written.items():
                odd = f", {one.not_plain:,} of them as BSON" if one.not_plain else ""
                shows.say(
                    f"{table}: {counted(one.documents, 'document')}{odd}, {one.bytes:,} bytes"
                )
            shows.say(
                f"{counted(len(written), 'table')} of {database.name!r} at {shown} written to {to}"
            )
    return {
        "to": str(to),
        "tables": {table: asdict(one) for table, one in written.items()},
        "leftOut": left_out,
    }


def _is_one_file(to: Path, tables: int) -> bool:
    """Whether `to` is a file, for one table, and not a folder.

    Raises:
        StartupError: It is a file and there are several tables, or a file of another name.
    """
    if to.is_dir():
        return False
    if to.suffix not in {".jsonl", ".ndjson", ".json"}:
        if to.is_file():
            raise StartupError(f"{to} is a file; name a folder, or a file that ends in .jsonl.")
        return False
    if tables > 1:
        raise StartupError(f"{to} is one file, for one table; name the table, or a folder for all.")
    return True
