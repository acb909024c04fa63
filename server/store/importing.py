"""Documents written from files of lines into tables, each acknowledged by the majority."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

import bson
from bson import Regex, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from schemas.document import new_id
from server.store.extended_json import RAW, Unreadable, from_line

__all__ = ["Mode", "Outcome", "import_file", "judge_file", "lines"]

Mode = Literal["upsert", "insert", "replace"]
"""What becomes of documents that are there already, by the file's `_id`: ``upsert`` puts the
file's in their place, ``insert`` leaves them and counts an error; ``replace`` has emptied the
table before."""

Collection = AsyncCollection[dict[str, Any]]
Progress = Callable[[int, int], None]
"""Told how many bytes of the file are done, and how many it has."""

BATCH_DOCUMENTS_MAX, BATCH_BYTES_MAX = 1_000, 8 << 20
"""Of one bulk write: what is held of a file at a time."""
DOCUMENT_BYTES_MAX = 16 << 20
"""MongoDB's own bound."""
LINE_BYTES_MAX = 128 << 20
"""A longer line is not read."""
ERRORS_MAX = 100
"""How many are told of; the others are counted."""
_DUPLICATE_KEY = 11000


@dataclass
class Outcome:
    """What became of a file, or would.

    Attributes:
        inserted: Documents that were not there.
        replaced: Documents that were there and differed.
        unchanged: Documents that were there, equal.
        removed: Documents that were removed before, by the mode ``replace``.
        failed: Lines of which nothing was stored.
        errors: Line and reason of the first of those.
    """

    inserted: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def fail(self, line: int, reason: str) -> None:
        """Count a line of which nothing was stored."""
        self.failed += 1
        if len(self.errors) < ERRORS_MAX:
            self.errors.append((line, reason))


@dataclass(frozen=True)
class _Line:
    number: int
    document: RawBSONDocument

    @cached_property
    def key(self) -> bytes:
        """Its `_id`, by which it is told from others."""
        return bson.encode({"_id": self.document["_id"]}, codec_options=RAW)

    @property
    def by_id(self) -> dict[str, Any]:
        return {"_id": {"$eq": self.document["_id"]}}


async def import_file(
    collection: Collection, path: Path, mode: Mode, progress: Progress
) -> Outcome:
    """Write the documents of `path`; lines that cannot be are counted and left out.

    Interrupted and begun again it ends the same: what is stored already is found equal, and
    MongoDB does not write it again.

    Raises:
        PyMongoError: The database does not answer any more.
        OSError: The file cannot be read.
    """
    outcome = Outcome()
    if mode == "replace":
        outcome.removed = (await collection.delete_many({})).deleted_count
    for batch in _batches(path, mode, outcome, progress):
        await _write(collection, batch, mode, outcome)
    outcome.errors.sort()
    return outcome


async def judge_file(collection: Collection, path: Path, mode: Mode, progress: Progress) -> Outcome:
    """What `import_file` would do, as far as can be told without doing it.

    Unique indexes and validators are not looked at.
    """
    outcome = Outcome()
    if mode == "replace":
        outcome.removed = await collection.estimated_document_count()
    for batch in _batches(path, mode, outcome, progress):
        there = {} if mode == "replace" else await _there(collection, batch)
        for line in batch:
            equal = there.get(line.key)
            if equal is None:
                outcome.inserted += 1
            elif mode == "insert":
                outcome.fail(line.number, "a document of this _id is there already")
            elif equal:
                outcome.unchanged += 1
            else:
                outcome.replaced += 1
    return outcome


async def _write(
    collection: Collection, batch: Sequence[_Line], mode: Mode, outcome: Outcome
) -> None:
    """Insert the new ones, put those that differ in the old ones' place, leave the others."""
    there = await _there(collection, batch) if mode == "upsert" else {}
    fresh: list[_Line] = []
    later: list[_Line] = []
    for line in batch:
        if there.get(line.key):
            outcome.unchanged += 1
        elif line.key in there or _would_be_stamped(line.document):
            later.append(line)
        else:
            fresh.append(line)
    inserts = [InsertOne(line.document) for line in fresh]
    for line, error in await _bulk(collection, fresh, inserts, outcome):
        if mode != "insert" and error.get("keyPattern") == {"_id": 1}:
            later.append(line)  # it was not there a moment ago, or twice in the file
        else:
            outcome.fail(line.number, _reason(error))
    later.sort(key=lambda line: line.number)
    updates = [
        UpdateOne(line.by_id, [{"$replaceWith": {"$literal": line.document}}], upsert=True)
        for line in later
    ]
    for line, error in await _bulk(collection, later, updates, outcome):
        outcome.fail(line.number, _reason(error))


async def _there(collection: Collection, batch: Sequence[_Line]) -> dict[bytes, bool]:
    """The keys of those whose `_id` is there already, and whether the document is equal."""
    lines = {line.key: line for line in batch}  # where one is twice in the file, the last counts
    ids = [line.document["_id"] for line in lines.values() if not _is_operator(line.document)]
    raw = collection.with_options(codec_options=RAW)
    there: dict[bytes, bool] = {}
    async for found in raw.find({"_id": {"$in": ids}}):
        key = bson.encode({"_id": found["_id"]}, codec_options=RAW)
        if key in lines:
            there[key] = lines[key].document.raw == found.raw
    return there


def _is_operator(document: RawBSONDocument) -> bool:
    """Whether its `_id` would mean something else within a filter."""
    id_ = document["_id"]
    if isinstance(id_, RawBSONDocument):
        return any(name.startswith("$") for name in id_)
    return isinstance(id_, Regex | list)


def _would_be_stamped(document: RawBSONDocument) -> bool:
    """Whether MongoDB would put the present time into an empty timestamp, which inserts ask for."""
    return Timestamp(0, 0) in document.values()


async def _bulk(
    collection: Collection,
    lines: Sequence[_Line],
    writes: Sequence[InsertOne[Any] | UpdateOne],
    outcome: Outcome,
) -> list[tuple[_Line, dict[str, Any]]]:
    """Write, each for itself; those that failed, with MongoDB's error."""
    if not writes:
        return []
    failed: list[tuple[_Line, dict[str, Any]]] = []
    try:
        result = (await collection.bulk_write(writes, ordered=False)).bulk_api_result
    except BulkWriteError as error:
        result = error.details or {}
        if result.get("writeConcernErrors"):
            raise  # it is not known what the majority has
        errors: list[dict[str, Any]] = result["writeErrors"]
        failed += [(lines[one["index"]], one) for one in errors]
    outcome.inserted += result["nInserted"] + result["nUpserted"]
    outcome.replaced += result["nModified"]
    outcome.unchanged += result["nMatched"] - result["nModified"]
    return failed


def _reason(error: dict[str, Any]) -> str:
    """MongoDB's words, without the values that it quotes."""
    message: str = error.get("errmsg", "it was refused")
    if error["code"] == _DUPLICATE_KEY:
        index = message.partition(" index: ")[2].partition(" ")[0] or "unique"
        return f"the unique index {index} has another document with the same key"
    return message[:200]


def _batches(path: Path, mode: Mode, outcome: Outcome, progress: Progress) -> Iterator[list[_Line]]:
    """The documents of `path`, some at a time; lines that hold none are counted as failed."""
    total = path.stat().st_size
    batch: list[_Line] = []
    size = 0
    with path.open("rb") as file:
        progress(0, total)
        for number, text in lines(file):
            try:
                document = _document(text, mode)
            except Unreadable as error:
                outcome.fail(number, str(error))
                continue
            batch.append(_Line(number, document))
            size += len(document.raw)
            if len(batch) == BATCH_DOCUMENTS_MAX or size > BATCH_BYTES_MAX:
                yield batch
                progress(file.tell(), total)
                batch, size = [], 0
        if batch:
            yield batch
        progress(total, total)


def _document(text: bytes | None, mode: Mode) -> RawBSONDocument:
    if text is None:
        raise Unreadable(f"it is longer than {LINE_BYTES_MAX >> 20} MB")
    document = from_line(text)
    if len(document.raw) > DOCUMENT_BYTES_MAX:
        raise Unreadable(f"it is larger than {DOCUMENT_BYTES_MAX >> 20} MB")
    if "_id" in document:
        return document
    if mode != "insert":
        raise Unreadable("it has no _id, by which to find it again; --mode insert makes one")
    fields = chain([("_id", new_id())], document.items())
    return RawBSONDocument(bson.encode(dict(fields), codec_options=RAW), RAW)


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Line by line, from 1 on, empty ones left out; None for one that is too long to be held."""
    number = 0
    while text := file.readline(LINE_BYTES_MAX):
        number += 1
        if len(text) == LINE_BYTES_MAX and not text.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        elif text := text.removeprefix(b"\xef\xbb\xbf").strip():
            yield number, text
