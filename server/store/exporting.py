"""Tables written into files, all of them as they were at one moment."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from server.core.errors import StartupError
from server.store.collections import META
from server.store.export_files import LINES, Manifest, Written, atomic_file, file_of
from server.store.extended_json import RAW, to_line

__all__ = ["Contents", "HistoryGone", "Progress", "contents_of", "export_file", "export_folder"]

Database = AsyncDatabase[dict[str, Any]]
Progress = Callable[[str, int, int], None]
"""Told of a table, how many of its documents are done, and how many there are, more or less."""

_GONE = {239, 246}  # SnapshotTooOld, SnapshotUnavailable
_OPTIONS = {"capped", "validator", "collation", "clusteredIndex", "changeStreamPreAndPostImages"}


class HistoryGone(Exception):
    """MongoDB does not keep that moment any more."""


@dataclass(frozen=True)
class Contents:
    """What a database has.

    Attributes:
        tables: Those that can be exported, with how many documents each has, more or less.
        left_out: Those that cannot, with the reason.
        notes: Of tables that can, what a file of documents does not carry.
    """

    tables: Mapping[str, int]
    left_out: Mapping[str, str]
    notes: Mapping[str, str]


async def contents_of(database: Database) -> Contents:
    """What can be exported of `database`: everything but the identity that it has as a database."""
    tables: dict[str, int] = {}
    left_out: dict[str, str] = {}
    notes: dict[str, str] = {}
    async for one in await database.list_collections():
        name, kind, options = one["name"], one["type"], one["options"]
        if name == META or name.startswith("system."):
            continue
        if kind != "collection":
            left_out[name] = f"is a {kind}, which holds no documents of its own"
            continue
        tables[name] = await database[name].estimated_document_count()
        if odd := sorted(_OPTIONS & options.keys()):
            notes[name] = f"was made with {', '.join(odd)}, which its file does not carry"
    return Contents(dict(sorted(tables.items())), left_out, notes)


async def export_file(
    database: Database, table: str, total: int, path: Path, progress: Progress
) -> Written:
    """Write one table into the file `path`, which appears when it is whole.

    Raises:
        HistoryGone: It took longer than MongoDB keeps a moment.
    """
    at = await _now(database, table)
    return await _write(database, table, path, at, lambda done: progress(table, done, total))


async def export_folder(
    database: Database,
    tables: Mapping[str, int],
    folder: Path,
    progress: Progress,
    *,
    one_moment: bool = True,
) -> Manifest:
    """Write `tables` into `folder`; go on with an export of them that was interrupted there.

    Going on keeps the tables that are whole, if MongoDB still has the moment that they show; a
    table that was being written is begun anew.

    Args:
        database: Where they are.
        tables: Their names, with how many documents each has, more or less.
        folder: Made where it is absent; what is in it must be an export, which is replaced.
        progress: Told of each batch.
        one_moment: All tables as they were at one time. Without, each batch is read as it is by
            then, which takes as long as it takes.

    Raises:
        HistoryGone: It took longer than MongoDB keeps a moment.
        StartupError: The folder holds something else.
    """
    manifest = _begun(folder, database.name, list(tables), one_moment=one_moment)
    if manifest is not None and manifest.at is not None:
        manifest = manifest if await _is_kept(database, manifest) else None
    if manifest is None:
        at = await _now(database, next(iter(tables))) if one_moment and tables else None
        manifest = Manifest(database.name, at, list(tables))
        manifest.save(folder)
        _tidy(folder, keep=())
    for table, total in tables.items():
        if done := manifest.written.get(table):
            progress(table, done.documents, done.documents)
            continue

        def told(done: int, table: str = table, total: int = total) -> None:
            progress(table, done, total)

        manifest.written[table] = await _write(
            database, table, folder / file_of(table), manifest.at, told
        )
        manifest.save(folder)
    manifest.complete = True
    manifest.save(folder)
    _tidy(folder, keep=tables)
    return manifest


def _begun(folder: Path, database: str, tables: list[str], *, one_moment: bool) -> Manifest | None:
    """The manifest of an export like this that was interrupted in `folder`; None to begin anew."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Manifest.load(folder)
    if found is None:
        if any(not one.name.startswith("export.json") for one in folder.iterdir()):
            raise StartupError(f"{folder} holds files that are no export; name an empty folder.")
        return None
    alike = (found.database, sorted(found.tables)) == (database, sorted(tables))
    if found.complete or not alike or (found.at is not None) != one_moment:
        return None
    whole = {
        table: one
        for table, one in found.written.items()
        if _size(folder / file_of(table)) == one.bytes
    }
    return Manifest(database, found.at, tables, whole)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1


def _tidy(folder: Path, keep: Iterable[str]) -> None:
    """Remove the files of exports before, which an import would take for this one's."""
    kept = set(map(file_of, keep))
    for file in folder.iterdir():
        name = file.name.removesuffix(".part")
        if name.endswith(LINES) and file.name not in kept:
            file.unlink()


async def _now(database: Database, table: str) -> tuple[int, int]:
    """The majority's present moment."""
    reply = await database.command(
        {"find": table, "limit": 1, "projection": {"_id": 1}, "readConcern": {"level": "snapshot"}}
    )
    at: Timestamp = reply["cursor"].get("atClusterTime") or reply["operationTime"]
    return at.time, at.inc


async def _is_kept(database: Database, manifest: Manifest) -> bool:
    """Whether MongoDB can still read at the moment of `manifest`."""
    try:
        for table in manifest.tables[:1]:
            await database.command({**_find(table, manifest.at), "limit": 1})
    except OperationFailure as error:
        if error.code in _GONE:
            return False
        raise
    return True


def _find(table: str, at: tuple[int, int] | None) -> dict[str, Any]:
    """Every document, in the order of `_id`, which is the same each time."""
    concern: dict[str, Any] = {"level": "majority"}
    if at is not None:
        concern = {"level": "snapshot", "atClusterTime": Timestamp(*at)}
    return {"find": table, "hint": {"_id": 1}, "readConcern": concern}


async def _write(
    database: Database,
    table: str,
    path: Path,
    at: tuple[int, int] | None,
    progress: Callable[[int], None],
) -> Written:
    """Write one table; a batch of 16 MB at most is held at a time."""
    documents = not_plain = 0
    raw: AsyncDatabase[RawBSONDocument] = database.with_options(codec_options=RAW)
    try:
        with atomic_file(path) as file:
            progress(0)
            async with await raw.cursor_command(_find(table, at), codec_options=RAW) as cursor:
                while True:
                    batch = await cursor.to_list(1_000)
                    for document in batch:
                        line, plain = to_line(document)
                        file.write(line.encode() + b"\n")
                        documents += 1
                        not_plain += not plain
                    if not batch:
                        break
                    progress(documents)
            size = file.tell()
    except OperationFailure as error:
        if error.code in _GONE:
            raise HistoryGone from error
        raise
    return Written(documents, size, not_plain)
