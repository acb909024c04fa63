"""One run of a query function at one cluster time."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from pymongo.errors import ConnectionFailure

from schemas.shape import shape_of
from schemas.wire.patch import escape
from schemas.wire.position import Time
from server.core import limits
from server.core.errors import HeadwaterError, TooLarge
from server.feed.events import identity
from server.live.find import Find, Get, Page, Read, Spec, model_of, read_page
from server.live.held import Held, encode
from server.live.live_query import Outcome, RunQuery
from server.live.ordering import NotCompiled
from server.live.projection import to_json
from server.live.read_set import ReadMade, last_key
from server.live.window import Window, hold_all
from server.store.reads import Reads, SnapshotGone

__all__ = ["RunReader", "run_query"]


class RunReader:
    """Reads for a query function, all at one cluster time, and remembers what was read.

    Attributes:
        at: The cluster time.
        reads: The read set so far.
    """

    def __init__(self, reads: Reads, at: Time, on_read: Callable[[], None]) -> None:
        self._reads = reads
        self._on_read = on_read
        self.at = at
        self.reads: list[ReadMade] = []

    async def find(self, spec: Spec, why_read: str | None = None) -> list[dict[str, Any]]:
        """The documents of `spec`, in the order in which they are shown.

        Args:
            spec: What to read.
            why_read: Why it is not maintained, where the function did not await but return it.
        """
        try:
            documents = await self.fetch(spec, spec.limit, fields=_watched_fields(spec))
        except Exception:
            self.failed(spec, why_read)
            raise
        ids = [identity(document["_id"]) for document in documents]
        last, departs = last_key(spec, documents), _departs(spec, documents)
        self.reads.append(ReadMade(spec, ids, last=last, departs=departs, why_read=why_read))
        if spec.from_end:
            documents.reverse()
        if spec.fields is not None:
            wanted = set(spec.fields)
            documents = [{k: v for k, v in one.items() if k in wanted} for one in documents]
        return documents

    async def count(self, spec: Spec) -> int:
        """How many documents match. Where they are few their ids are read, to know which."""
        counted = replace(spec, fields=("_id",))
        fields = _watched_fields(counted)
        try:
            documents = await self.fetch(
                counted, limits.COUNT_IDS_MAX + 1, fields=fields, ordered=False
            )
        except Exception:
            self.failed(counted)
            raise
        if len(documents) <= limits.COUNT_IDS_MAX:
            ids = [identity(document["_id"]) for document in documents]
            self.reads.append(ReadMade(counted, ids, departs=_departs(counted, documents)))
            return len(documents)
        departs = await self._first_departure(counted, fields)
        self.reads.append(ReadMade(counted, None, departs=departs))
        query = spec.filter_at(self.at.seconds)
        self._on_read()
        return await self._reads.count(spec.table.collection, query, at=self.at)

    async def _first_departure(self, spec: Spec, fields: list[str] | None) -> int | None:
        """When the first of many documents leaves a sliding window, or may."""
        if spec.within is None:
            return None
        oldest = replace(spec, sort=((spec.within.field, 1),))
        first = await self.fetch(oldest, 1, fields=fields)
        departs = _departs(spec, first)
        # Several dates of one document are sorted by the earliest, and it leaves by the latest.
        single = len(first) == 1 and spec.within.single(first[0])
        return departs if single or departs is None else min(departs, self.at.seconds + 1)

    def failed(self, spec: Spec, why_read: str | None = None) -> None:
        """Remember a read that MongoDB refused: it recovers when a document changes or leaves."""
        # Which of them leaves a sliding window first is not known, so it may be the next second.
        departs = None if spec.within is None else self.at.seconds + 1
        self.reads.append(ReadMade(spec, None, departs=departs, why_read=why_read))

    async def fetch(
        self,
        spec: Spec,
        limit: int | None,
        *,
        fields: Sequence[str] | None = None,
        ordered: bool = True,
    ) -> list[Any]:
        """The documents of `spec` in the order of its sort, not remembered."""
        self._on_read()
        return await self._reads.find(
            spec.table.collection,
            spec.filter_at(self.at.seconds),
            at=self.at,
            sort=spec.sort if ordered and not spec.single else (),
            limit=limit or 0,
            fields=fields,
        )


def _watched_fields(spec: Spec) -> list[str] | None:
    """What to read of a document: what is wanted of it, and what tells where it stands."""
    if spec.fields is None:
        return None
    roots = set(spec.sort_roots) if spec.limit is not None else set[str]()
    if spec.within is not None:
        roots.add(spec.within.field.partition(".")[0])
    return [*spec.fields, *sorted(roots.difference(spec.fields))]


def _departs(spec: Spec, documents: Iterable[dict[str, Any]]) -> int | None:
    """The second at which the first of `documents` is too old."""
    if spec.within is None:
        return None
    return min(map(spec.within.departure, documents), default=None)


async def run_query(
    run: RunQuery,
    reads: Reads,
    at: Time,
    on_error: Callable[[Exception], HeadwaterError],
    on_read: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run a query function at `at` and read the finds that it returned.

    What the function raises is an outcome too: it stays until one of the reads made before it is
    touched.

    Args:
        run: Runs the function.
        reads: The database.
        at: The cluster time.
        on_error: What a client learns of what the function raised.
        on_read: Called before each read of the database.

    Raises:
        SnapshotGone: MongoDB has let go of that time; run at a newer one.
    """
    reader = RunReader(reads, at, on_read)
    outcome = Outcome(reads=reader.reads)
    try:
        value = await run(reader)
        outcome.value = await _maintain(value, reader, outcome.windows)
        encode(outcome.value)  # what has no JSON form fails here, and not where streams are told
    except (SnapshotGone, ConnectionFailure):
        raise  # says nothing of the query; whoever runs it tries again
    except Exception as error:  # noqa: BLE001  # whatever a query function raises is its outcome
        outcome.windows.clear()
        outcome.value, outcome.error = None, on_error(error)
    return outcome


async def _maintain(value: Any, reader: RunReader, windows: list[Window]) -> Any:
    """The JSON value of what a function returned; each find in it becomes a window."""
    if isinstance(value, Find | Get | Page):
        return await _open(cast("Find[Any]", value).spec, "", reader, windows)
    if isinstance(value, dict):
        shown: dict[str, Any] = {}
        for name, one in cast("dict[Any, Any]", value).items():
            if isinstance(one, Find | Get | Page):
                spec = cast("Find[Any]", one).spec
                shown[str(name)] = await _open(spec, f"/{escape(str(name))}", reader, windows)
            else:
                shown[str(name)] = to_json(one)
        return shown
    return to_json(value)


async def _open(spec: Spec, path: str, reader: RunReader, windows: list[Window]) -> Any:
    """A window for one find; where only MongoDB can judge its filter, a read instead."""
    try:
        window = Window(spec, path)
    except NotCompiled as error:
        return await _read(spec, partial(reader.find, why_read=str(error)))
    try:
        documents = await reader.fetch(spec, window.read_limit)
    except Exception:
        reader.failed(spec)
        raise
    try:
        await _load(window, documents, reader.at)
    except Exception:
        ids = [identity(document["_id"]) for document in documents]
        reader.reads.append(ReadMade(spec, ids, departs=_departs(spec, documents)))
        raise
    windows.append(window)
    return None


async def _load(window: Window, documents: list[dict[str, Any]], at: Time) -> None:
    """Fill a window with what was read at `at`; others get their turns meanwhile."""
    window.second = at.seconds
    for start in range(0, len(documents), limits.STEP_EVENTS_MAX):
        held = hold_all(window.spec, documents[start : start + limits.STEP_EVENTS_MAX])
        window.load(held)
        await asyncio.sleep(0)
    if window.dry:
        collection = window.spec.table.collection
        raise TooLarge(f"More documents of {collection!r} match than may be shown.")
    window.encoded()  # what has no JSON form fails here


async def _read(spec: Spec, read: Read) -> Any:
    """The value of a find that cannot be maintained, read and watched."""
    if spec.page is not None:
        documents, end = await read_page(spec, read)
        return {"page": [_shown(spec, document) for document in documents], **end}
    shown = [_shown(spec, document) for document in await read(spec)]
    return (shown[0] if shown else None) if spec.single else shown


def _shown(spec: Spec, document: dict[str, Any]) -> Any:
    if spec.view is not None:
        return to_json(spec.view(model_of(spec, document)))
    return Held.of(document, shape_of(spec.table)).shown
