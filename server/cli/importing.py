"""``headwater import``: files of Extended JSON into tables."""

import asyncio
import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from server.core.errors import StartupError

if TYPE_CHECKING:
    from server.store.importing import Outcome

__all__ = ["import_"]

SHOWN_MAX = 20
"""Lines that failed, told of in a terminal."""


def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="Folders that `headwater export` made, or .jsonl files.")
    ],
    table: Annotated[
        str | None, typer.Option(help="The table of one file, else what the file is called.")
    ] = None,
    mode: Annotated[
        Literal["upsert", "insert", "replace"],
        typer.Option(
            help="upsert: the file's document takes the place of one with its _id. insert: one "
            "that is there stays, and counts as an error. replace: the table is emptied first."
        ),
    ] = "upsert",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; say what would be done.")
    ] = False,
    app: Annotated[
        str | None, typer.Option(help="An app of your own whose tables these are, as file.py:app.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was done as JSON, for programs.")
    ] = False,
) -> None:
    """Write documents from files into tables, a document a line, in Extended JSON
    of any kind.

    Lines that are no document, or that MongoDB refuses, are left out and told
    of with their numbers; the exit code is 1 then. Each batch is acknowledged
    by the majority. Interrupted and run again it ends the same: what is stored
    already is not written twice. With --mode replace all lines are read first,
    and nothing is removed where one is no document.

    Calls that were scheduled would run here too, and are left out of a folder;
    name their file, headwaterScheduledCalls.jsonl, to have them.

    Indexes are not imported, for a server makes its own when it starts.

    Examples:
      headwater import backup/ --dry-run
      headwater import backup/
      headwater import people.jsonl --table users --mode insert
    """
    files, left_out = _files(paths, table)
    told = asyncio.run(_import(files, left_out, mode, dry_run, app, quiet=as_json))
    if as_json:
        print(json.dumps(told))  # for a program to read
    if any(one["failed"] for one in told["files"]):
        sys.exit(1)


def _files(paths: Sequence[Path], table: str | None) -> tuple[list[tuple[Path, str]], list[Path]]:
    """Each file with the table that it is for, in order; and those of folders that are left out.

    Raises:
        StartupError: There is no such file, or it is not what was exported.
    """
    from server.store.collections import SCHEDULED_CALLS
    from server.store.export_files import table_of

    files: list[tuple[Path, str]] = []
    calls: list[Path] = []
    for path in paths:
        if path.is_file():
            if zipfile.is_zipfile(path):
                raise StartupError(
                    f"{path} is a ZIP file. If Convex wrote it, `headwater convert {path} --to "
                    "moved/` makes files of it that can be imported; else unpack it."
                )
            files.append((path, table or table_of(path)))
            continue
        found = _in_folder(path)
        files += [(file, of) for file, of in found if of != SCHEDULED_CALLS]
        calls += [file for file, of in found if of == SCHEDULED_CALLS and file.stat().st_size]
    if table is not None and len(files) > 1:
        raise StartupError("--table is for one file; name one, or leave it out.")
    named = {file.resolve() for file, _ in files}
    return files, [file for file in calls if file.resolve() not in named]


def _in_folder(folder: Path) -> list[tuple[Path, str]]:
    """The files of an export, or all that a folder of another kind has, with their tables.

    Raises:
        StartupError: There is no such folder, or it is not what was exported.
    """
    from server.store.export_files import LINES, Manifest, file_of, table_of

    if not folder.is_dir():
        raise StartupError(f"There is no file or folder {folder}; name one that is there.")
    manifest = Manifest.load(folder)
    if manifest is None:
        found = sorted(folder.glob(f"*{LINES}"))
        if not found:
            raise StartupError(
                f"{folder} holds no {LINES} files; name a folder that does. What Convex has "
                "exported is for `headwater convert` first."
            )
        return [(file, table_of(file)) for file in found]
    if not manifest.complete:
        raise StartupError(
            f"The export in {folder} was interrupted; run it again, or name the files that you "
            "want of it."
        )
    files = {name: folder / file_of(name) for name in manifest.written}
    for name, written in manifest.written.items():
        file = files[name]
        if not file.is_file() or file.stat().st_size != written.bytes:
            raise StartupError(
                f"{file} is not as it was exported ({written.bytes:,} bytes); copy it again, or "
                "name the files themselves."
            )
    return [(file, name) for name, file in files.items()]


async def _import(
    files: Sequence[tuple[Path, str]],
    left_out: Sequence[Path],
    mode: Any,
    dry_run: bool,
    app: str | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    from server.cli.database import open_database  # here, because other commands need no driver
    from server.cli.moving import moving
    from server.cli.tables import declared_tables
    from server.store.collections import META
    from server.store.importing import import_file, judge_file

    known = declared_tables(app).keys()
    for file, table in files:
        if table == META or table.startswith("system.") or not table or "$" in table:
            raise StartupError(
                f"{file} would go into {table[:100]!r}, which is no table; name one by --table."
            )
    told: list[dict[str, Any]] = []
    async with open_database("import", reads=dry_run) as (database, shown):
        there = set(await database.list_collection_names())
        with moving("bytes", quiet=quiet) as shows:
            for file in left_out:
                shows.say(f"{file}: left out, for its calls would run here; name it to import it")
            for file, table in files:
                unknown = table not in known and table not in there
                if unknown:
                    whose = f"{app} declares" if app else "the built-in application has"
                    shows.say(
                        f"Note: no table of {database.name!r}, and none that {whose}, is called "
                        f"{table!r}; it is made without indexes."
                    )

                def progress(done: int, total: int, name: str = table) -> None:
                    shows.told(name, done, total)

                if not dry_run and table not in there:
                    await database.create_collection(table)  # be it that no document follows
                    there.add(table)
                collection = database[table]
                try:
                    outcome = None
                    if dry_run or mode == "replace":
                        outcome = await judge_file(collection, file, mode, progress)
                    if not dry_run and (outcome is None or not outcome.failed):
                        outcome = await import_file(collection, file, mode, progress)
                    elif not dry_run and outcome is not None:
                        shows.say(f"{table}: nothing was removed or written")
                        outcome.inserted = outcome.removed = 0
                except OSError as error:
                    raise StartupError(
                        f"{file} cannot be read: {error.strerror or error}."
                    ) from None
                assert outcome is not None
                told.append(_told(file, table, outcome))
                if not quiet:
                    shows.say(_sentence(table, outcome, mode, dry_run=dry_run))
                    for line, reason in outcome.errors[:SHOWN_MAX]:
                        shows.say(f"  {file}, line {line}: {reason}")
                    if outcome.failed > SHOWN_MAX:
                        shows.say(f"  … and {outcome.failed - SHOWN_MAX:,} more")
        if not quiet and not dry_run:
            shows.say(
                f"Indexes are made by a server of {database.name!r} at {shown} when it starts."
            )
    outside = [str(file) for file in left_out]
    return {"mode": mode, "dryRun": dry_run, "files": told, "leftOut": outside}


def _told(file: Path, table: str, outcome: "Outcome") -> dict[str, Any]:
    return {
        "file": str(file),
        "table": table,
        "inserted": outcome.inserted,
        "replaced": outcome.replaced,
        "unchanged": outcome.unchanged,
        "removed": outcome.removed,
        "failed": outcome.failed,
        "errors": [{"line": line, "reason": reason} for line, reason in outcome.errors],
    }


def _sentence(table: str, outcome: "Outcome", mode: str, *, dry_run: bool) -> str:
    parts = [f"{outcome.inserted:,} inserted"]
    if mode == "upsert":
        parts.append(f"{outcome.replaced:,} replaced")
        parts.append(f"{outcome.unchanged:,} left as they are")
    if mode == "replace":
        parts.insert(0, f"{outcome.removed:,} removed")
    if outcome.failed:
        parts.append(f"{outcome.failed:,} lines failed")
    return f"{table}: {'would be ' if dry_run else ''}{', '.join(parts)}"
