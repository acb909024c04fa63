"""What an export is on disk: a file of lines for each table, whole or not there.

export.json          what this is, and how far it has come (`Manifest`)
<table>.jsonl        one document a line; the table's name percent-encoded
<table>.jsonl.part   a table that is being written, or was when the export was interrupted
"""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

__all__ = ["LINES", "Manifest", "Written", "atomic_file", "file_of", "table_of"]

LINES = ".jsonl"
_MANIFEST = "export.json"
_FORMAT = 1


@dataclass(frozen=True)
class Written:
    """One table, whole."""

    documents: int
    bytes: int
    not_plain: int
    """Documents that are not plain Extended JSON, and lines that only we can read."""


@dataclass
class Manifest:
    """How far an export has come.

    Attributes:
        database: The name of the database.
        at: The cluster time that all of it shows, as seconds and increment; None where each
            document was read for itself.
        tables: What is to be exported.
        written: What is.
        complete: Whether that is all.
    """

    database: str
    at: tuple[int, int] | None
    tables: list[str]
    written: dict[str, Written] = field(default_factory=dict[str, Written])
    complete: bool = False

    def save(self, folder: Path) -> None:
        """Write it into `folder`, in the old one's place."""
        with atomic_file(folder / _MANIFEST) as file:
            said = {"headwaterExport": _FORMAT, **asdict(self)}
            file.write(json.dumps(said, indent=2, ensure_ascii=False).encode() + b"\n")

    @classmethod
    def load(cls, folder: Path) -> "Manifest | None":
        """That of `folder`; None where there is none that can be read."""
        try:
            said = json.loads((folder / _MANIFEST).read_bytes())
            if said.pop("headwaterExport") != _FORMAT:
                return None
            at = said.pop("at")
            written = {name: Written(**one) for name, one in said.pop("written").items()}
            return cls(**said, at=at and (int(at[0]), int(at[1])), written=written)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None


def file_of(table: str) -> str:
    """The name of a table's file."""
    return quote(table, safe=" $()+,;=@[]{}~") + LINES


def table_of(file: Path) -> str:
    """The table whose file it is, by its name."""
    return unquote(file.name.removesuffix(LINES).removesuffix(".json"))


@contextmanager
def atomic_file(path: Path) -> Generator[BinaryIO]:
    """A file that appears at `path` when the block is left, whole and on disk, or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    with suppress(OSError):  # where a folder cannot be opened, its entry is safe by itself
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
