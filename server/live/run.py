"""One run of a query function at one cluster time."""

from collections.abc import Callable
from typing import Any, cast

from pymongo.errors import ConnectionFailure

from schemas.shape import shape_of
from schemas.wire.patch import escape
from schemas.wire.position import Time
from server.core.errors import HeadwaterError, TooLarge
from server.feed.events import identity
from server.live.find import Find, Get, Spec, model_of
from server.live.held import Held, encode
from server.live.live_query import Outcome, RunQuery
from server.live.ordering import NotCompiled
from server.live.projection import to_json
from server.live.read_set import ReadMade
from server.live.window import Window, hold_all
from server.store.reads import Reads, SnapshotGone

__all__ = ["RunReader", "run_query"]


class RunReader:
    """Reads for a query function, all at one cluster time, and remembers what was read.

    Attributes:
        at: The cluster time.
        reads: The read set so far.
    """

    def __init__(self, reads: Reads, at: Time) -> None:
        self._reads = reads
        self.at = at
        self.reads: list[ReadMade] = []

    async def find(self, spec: Spec) -> list[dict[str, Any]]:
        """The documents of `spec`, in the order in which they are shown."""
        try:
            documents = await self.fetch(spec, spec.limit)
        except Exception:
            self.reads.append(ReadMade(spec, None))  # it recovers when one of them changes
            raise
        self.reads.append(ReadMade(spec, [identity(document["_id"]) for document in documents]))
        return documents

    async def count(self, spec: Spec) -> int:
        """How many documents match."""
        self.reads.append(ReadMade(spec, None))
        return await self._reads.count(spec.table.collection, spec.query, at=self.at)

    async def fetch(self, spec: Spec, limit: int | None, *, whole: bool = False) -> list[Any]:
        """The documents of `spec`, not remembered; `whole` leaves the order to a window."""
        documents = await self._reads.find(
            spec.table.collection,
            spec.query,
            at=self.at,
            sort=() if spec.single else spec.sort,
            limit=limit or 0,
            fields=None if whole else spec.fields,
        )
        if spec.from_end and not whole:
            documents.reverse()
        return documents


async def run_query(
    run: RunQuery, reads: Reads, at: Time, on_error: Callable[[Exception], HeadwaterError]
) -> Outcome:
    """Run a query function at `at` and read the finds that it returned.

    What the function raises is an outcome too: it stays until one of the reads made before it is
    touched.

    Raises:
        SnapshotGone: MongoDB has let go of that time; run at a newer one.
    """
    reader = RunReader(reads, at)
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
    if isinstance(value, Find | Get):
        return await _open(cast("Find[Any]", value).spec, "", reader, windows)
    if isinstance(value, dict):
        shown: dict[str, Any] = {}
        for name, one in cast("dict[Any, Any]", value).items():
            if isinstance(one, Find | Get):
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
    except NotCompiled:
        documents = await reader.find(spec)
        shown = [_shown(spec, document) for document in documents]
        return (shown[0] if shown else None) if spec.single else shown
    ids: list[Any] | None = None  # what is not known to have been read is watched as a count is
    try:
        documents = await reader.fetch(spec, window.read_limit, whole=True)
        ids = [identity(document["_id"]) for document in documents]
        window.load(hold_all(spec, documents))
        if window.dry:
            raise TooLarge(f"More documents of {spec.table.collection!r} match than may be shown.")
        encode(window.value())
    except Exception:
        reader.reads.append(ReadMade(spec, ids))  # it recovers when one of them changes
        raise
    windows.append(window)
    return None


def _shown(spec: Spec, document: dict[str, Any]) -> Any:
    if spec.view is not None:
        return to_json(spec.view(model_of(spec, document)))
    return Held.of(document, shape_of(spec.table)).shown
