"""A Convex export, as it lies there: a ZIP file or a folder, a file of lines for each table."""

import json
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from server.core.errors import StartupError

__all__ = ["ConvexExport", "NoDocument", "open_export"]

DOCUMENTS = "documents.jsonl"
FILES = "_storage"


class NoDocument(ValueError):
    """A line that is no document; the message says why."""


class ConvexExport:
    """The tables of an export.

    Attributes:
        has_files: Whether stored files came along.
    """

    def __init__(self, root: "Path | zipfile.Path") -> None:
        folders = {one.name: one for one in root.iterdir() if one.is_dir()}
        self.has_files = FILES in folders
        self._files = {
            name: folder / DOCUMENTS
            for name, folder in sorted(folders.items())
            if not name.startswith("_") and (folder / DOCUMENTS).is_file()
        }

    @property
    def tables(self) -> list[str]:
        """Their names."""
        return list(self._files)

    def documents(self, table: str) -> Iterator[tuple[int, dict[str, Any] | NoDocument]]:
        """Line by line, from 1 on, empty ones left out; what is no document as the reason."""
        from server.store.importing import lines  # here, because other commands need no driver

        with cast("BinaryIO", self._files[table].open("rb")) as file:
            for number, line in lines(file):
                yield number, _document(line)


def _document(line: bytes | None) -> dict[str, Any] | NoDocument:
    if line is None:
        return NoDocument("it is too long")
    try:
        parsed: object = json.loads(line)
    except (ValueError, RecursionError):
        return NoDocument("it is no JSON")
    if not isinstance(parsed, dict) or not isinstance(cast("Any", parsed).get("_id"), str):
        return NoDocument("it is no document with an _id")
    return cast("dict[str, Any]", parsed)


@contextmanager
def open_export(path: Path) -> Generator[ConvexExport]:
    """What ``npx convex export --path`` wrote.

    Raises:
        StartupError: There is no export.
    """
    if path.is_dir():
        export = ConvexExport(path)
        if not export.tables and (found := sorted(path.glob("*.zip"))):
            with open_export(found[-1]) as newest:
                yield newest
            return
        yield _some(export, path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield _some(ConvexExport(_root(archive)), path)
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise StartupError(
            f"{path} is no ZIP file or folder that can be read; name what "
            "`npx convex export --path` wrote."
        ) from None


def _root(archive: zipfile.ZipFile) -> zipfile.Path:
    """Where the tables are: at the top, or in the one folder there."""
    names = [PurePosixPath(name) for name in archive.namelist()]
    if not any(len(name.parts) == 2 and name.name == DOCUMENTS for name in names):
        tops = {name.parts[0] for name in names if name.parts}
        if len(tops) == 1:
            return zipfile.Path(archive) / tops.pop()
    return zipfile.Path(archive)


def _some(export: ConvexExport, path: Path) -> ConvexExport:
    if not export.tables:
        raise StartupError(f"{path} holds no tables; an export has a <table>/{DOCUMENTS} for each.")
    return export
