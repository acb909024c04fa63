"""One change stream of a database, read batch by batch.

PyMongo's own `ChangeStream` hides the batches, and with them two things the feed needs: where a
transaction can have been cut, and how far the stream has come when nothing happened. So this
speaks `aggregate` and `getMore` itself, in a session of its own.

Source: the MongoDB change streams specification, "Resume Process", postBatchResumeToken.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import BSON, Timestamp
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import NetworkTimeout, OperationFailure, PyMongoError

from schemas.wire.position import Time
from server.core import limits
from server.feed.events import ChangeEvent, Changes, Group, identity

__all__ = ["Batch", "ChangeStream", "HistoryLost"]

_SLIM = dict.fromkeys(
    (
        *("operationType", "ns", "to", "clusterTime", "txnNumber"),
        *("documentKey", "updateDescription", "fullDocument"),
    ),
    1,
)

_HISTORY_LOST = {
    136,  # CappedPositionLost
    260,  # InvalidResumeToken
    280,  # ChangeStreamFatalError
    286,  # ChangeStreamHistoryLost
    10334,  # BSONObjectTooLarge: an event over 16 MB can never be read
    50811,
}
_CURSOR_NOT_FOUND = 43
_NONE: Mapping[str, Any] = {}


class HistoryLost(Exception):
    """The stream cannot be continued where it was; what happened since is not known."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read brought.

    Attributes:
        groups: Its changes, in order.
        through: Everything up to here has been seen.
        may_be_cut: Whether the last group may go on in the next batch.
        full: Whether it has as many changes as a batch may have.
        latest: How far MongoDB itself was when it answered; None where it did not say.
    """

    groups: list[Group]
    through: Time
    may_be_cut: bool
    full: bool
    latest: Time | None = None


class ChangeStream:
    """The changes of `collections` in `database`.

    `open` and `next` raise `HistoryLost` where the stream cannot be continued, and PyMongo's own
    errors where it can be opened again later.

    A MongoDB that says nothing is waited for `FEED_PATIENCE_SECONDS_MIN`, and from then on, until
    it has said something, twice as long each time: it may have much to read through before the
    first change that is ours. What MongoDB itself refuses to continue, again and again, counts as
    lost: whatever it is that it cannot give, it may never be able to.
    """

    def __init__(self, database: AsyncDatabase[dict[str, Any]], collections: Iterable[str]) -> None:
        self._database = database
        self._collections = sorted(collections)
        self._client: AsyncMongoClient[dict[str, Any]] = database.client
        self._session: AsyncClientSession | None = None
        self._cursor_id = 0
        self._ahead: asyncio.Task[dict[str, Any]] | None = None
        self._resume_token: Mapping[str, Any] | None = None
        self._patience = limits.FEED_PATIENCE_SECONDS_MIN
        self._refusals = 0

    async def open(self) -> Batch:
        """Begin now, or go on where the last batch ended."""
        await self.close()
        stage: dict[str, Any] = {}
        if self._resume_token is not None:
            stage["resumeAfter"] = self._resume_token
        pipeline = [
            {"$changeStream": stage},
            {"$match": {"$or": [
                {"ns.coll": {"$in": self._collections}},
                {"operationType": {"$in": ["dropDatabase", "invalidate"]}},
                {"to.coll": {"$in": self._collections}},
            ]}},
            {"$project": _SLIM},
        ]  # fmt: skip
        self._session = self._client.start_session()
        reply = await self._command(
            {"aggregate": 1, "pipeline": pipeline, "cursor": {"batchSize": 0}}
        )
        return self._batch(reply, "firstBatch")

    async def next(self) -> Batch:
        """The next batch; an empty one when `FEED_AWAIT_MS` passed without a change.

        After a full batch there is more: MongoDB gets it ready while the full one is taken in.
        """
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            reply = await ahead
        else:
            reply = await self._more()
        self._patience = limits.FEED_PATIENCE_SECONDS_MIN
        self._refusals = 0
        batch = self._batch(reply, "nextBatch")
        if batch.full and self._cursor_id != 0:
            self._ahead = asyncio.create_task(self._more(), name="feed, the next batch")
            for _ in range(limits.FEED_AHEAD_TURNS):
                await asyncio.sleep(0)
        return batch

    async def _more(self) -> dict[str, Any]:
        if self._cursor_id == 0:
            raise HistoryLost("MongoDB closed the change stream")
        return await self._command(
            {
                "getMore": self._cursor_id,
                "collection": "$cmd.aggregate",
                "batchSize": limits.FEED_BATCH_EVENTS_MAX,
                "maxTimeMS": limits.FEED_AWAIT_MS,
            }
        )

    def forget(self) -> None:
        """Begin anew at the next `open`, with no claim on what happened before."""
        self._resume_token = None
        self._refusals = 0

    async def close(self) -> None:
        """Give the cursor back, as far as that can be done soon; harmless when there is none."""
        await self._forgo_ahead()
        session, self._session = self._session, None
        cursor, self._cursor_id = self._cursor_id, 0
        if session is None:
            return
        with contextlib.suppress(PyMongoError, TimeoutError):
            if cursor:
                command = {"killCursors": "$cmd.aggregate", "cursors": [cursor]}
                async with asyncio.timeout(limits.FEED_CLOSE_SECONDS_MAX):
                    await self._database.command(command, session=session)
        with contextlib.suppress(PyMongoError):
            await session.end_session()

    async def _forgo_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()  # nobody asks for it any more

    async def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run one command of the stream. Where it fails, its cursor is of no use any more."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._database.command(
                    command, session=self._session, codec_options=self._database.codec_options
                )
        except TimeoutError:
            self._cursor_id = 0
            said = f"MongoDB said nothing for {self._patience:g} s"
            self._patience = min(2 * self._patience, limits.FEED_PATIENCE_SECONDS_MAX)
            raise NetworkTimeout(said) from None
        except OperationFailure as error:
            if self._is_lost(error):
                raise HistoryLost(f"MongoDB error {error.code}") from error
            raise

    def _is_lost(self, error: OperationFailure) -> bool:
        """Whether `error` says that the stream cannot be continued, or has often enough."""
        if error.code in _HISTORY_LOST or error.has_error_label("NonResumableChangeStreamError"):
            return True
        if error.code == _CURSOR_NOT_FOUND or error.has_error_label("ResumableChangeStreamError"):
            return False
        self._refusals += 1
        return self._refusals >= limits.FEED_REFUSALS_MAX

    def _batch(self, reply: dict[str, Any], name: str) -> Batch:
        cursor: dict[str, Any] = reply["cursor"]
        latest: Timestamp | None = reply.get("operationTime")
        self._cursor_id = int(cursor["id"])
        documents: list[dict[str, Any]] = cursor[name]
        full = len(documents) >= limits.FEED_BATCH_EVENTS_MAX
        may_be_cut = full or _may_be_cut(documents)
        if not may_be_cut:
            self._resume_token = cursor["postBatchResumeToken"]
        elif (whole := _whole(documents)) is not None:
            self._resume_token = whole["_id"]
        groups = _groups(documents)
        # The token's own time can run ahead of what may be read; one increment less never does.
        through = _token_time(cursor["postBatchResumeToken"]).before()
        if groups:
            through = max(through, groups[-1].time)
        at = None if latest is None else _time(latest)
        return Batch(groups, through, may_be_cut, full, at)


def _time(timestamp: Timestamp) -> Time:
    return Time(timestamp.time, timestamp.inc)


def _token_time(token: Mapping[str, Any]) -> Time:
    """The cluster time that a resume token begins with.

    Source: MongoDB's KeyString encoding: ``82``, then seconds and increment, eight digits each.
    """
    data = str(token["_data"])
    return Time(int(data[2:10], 16), int(data[10:18], 16))


def _whole(documents: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The last change before the last time of a batch: a reopened stream gives that time again."""
    last = documents[-1]["clusterTime"]
    return next((one for one in reversed(documents) if one["clusterTime"] != last), None)


def _may_be_cut(documents: list[dict[str, Any]]) -> bool:
    """Whether a batch ends in a transaction and is so large that it may have been cut there."""
    if not documents or "txnNumber" not in documents[-1]:
        return False
    size = 0
    for document in documents:
        size += len(BSON.encode(document))
        if size > limits.FEED_BATCH_BYTES_SPLIT:
            return True
    return False


def _groups(documents: Iterable[dict[str, Any]]) -> list[Group]:
    groups: list[Group] = []
    last = None
    for document in documents:
        time = _time(document["clusterTime"])
        if document["operationType"] == "update":
            events = [_update(document)]
        elif not (events := _events(document)):
            continue
        if time == last:
            groups[-1].events += events
        else:
            groups.append(Group(time, events))
            last = time
    return groups


def _update(document: dict[str, Any]) -> ChangeEvent:
    description = document["updateDescription"]
    removed = description.get("removedFields")
    truncated = description.get("truncatedArrays")
    changes = Changes(
        updated=description.get("updatedFields") or _NONE,
        removed=tuple(removed) if removed else (),
        truncated={one["field"]: one["newSize"] for one in truncated} if truncated else _NONE,
    )
    id_ = identity(document["documentKey"]["_id"])
    return ChangeEvent("update", document["ns"]["coll"], id_, changes=changes)


def _events(document: dict[str, Any]) -> list[ChangeEvent]:
    """The events of one change document that is no update; a rename resets both collections."""
    kind: str = document["operationType"]
    if kind in {"dropDatabase", "invalidate"}:
        raise HistoryLost(f"the database was dropped ({kind})")
    collection: str = document["ns"]["coll"]
    match kind:
        case "insert" | "replace":
            found = document["fullDocument"]
            return [ChangeEvent(kind, collection, identity(found["_id"]), document=found)]
        case "delete":
            return [ChangeEvent(kind, collection, identity(document["documentKey"]["_id"]))]
        case "drop":
            return [ChangeEvent("reset", collection)]
        case "rename":
            return [
                ChangeEvent("reset", collection),
                ChangeEvent("reset", document["to"]["coll"]),
            ]
        case _:
            return []
