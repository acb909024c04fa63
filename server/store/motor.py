"""Reads and writes by Motor: the part of PyMongo's async API that the store uses, and no more.

Motor runs PyMongo's blocking API in threads. What differs is bridged here, so that nobody above
need know: sessions begin without being awaited, a transaction ends by `pymongo.timeout` and not
after two minutes, and who is cancelled goes only when the thread is done with the session.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

from bson import CodecOptions, Timestamp
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import ExecutionTimeout, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from server.core import limits

__all__ = ["MotorClient"]

T = TypeVar("T")

_PAUSE_SECONDS_MIN, _PAUSE_SECONDS_MAX = 0.005, 0.5
"""Between two runs of a transaction, growing by half from one to the next, a random part of it."""
_MAX_TIME_EXPIRED = 50


async def _settled(work: Awaitable[T]) -> T:
    """What `work` gives. Who is cancelled meanwhile waits for its end: a thread cannot be stopped.

    Or what comes next, the end of the transaction say, could overtake it. A second cancellation
    does not wait.
    """
    future = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # nobody asks for it any more
        raise


def _awaited(name: str) -> Callable[..., Any]:
    """Motor's method `name`, in a session of ours."""

    async def method(
        self: "MotorDatabase | MotorCollection",
        *args: Any,
        session: "MotorSession | None" = None,
        **options: Any,
    ) -> Any:
        inner = session.motor if session is not None else None
        return await _settled(getattr(self.motor, name)(*args, session=inner, **options))

    return method


class _Cursor:
    """What a find gives."""

    def __init__(self, motor: Any) -> None:
        self._motor = motor

    async def to_list(self) -> list[dict[str, Any]]:
        """All documents."""
        return await _settled(self._motor.to_list(None))


class MotorCollection:
    """A collection; each method is PyMongo's of the same name."""

    def __init__(self, motor: Any) -> None:
        self.motor = motor

    def find(
        self,
        query: Mapping[str, Any] | None = None,
        *,
        session: "MotorSession | None" = None,
        **options: Any,
    ) -> _Cursor:
        """The documents that match, when they are asked for."""
        inner = session.motor if session is not None else None
        return _Cursor(self.motor.find(query, session=inner, **options))

    async def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> _Cursor:
        """What a pipeline gives, when it is asked for."""
        return _Cursor(self.motor.aggregate(pipeline))

    async def estimated_document_count(self) -> int:
        """How many documents there are, about."""
        return await _settled(self.motor.estimated_document_count())

    bulk_write = _awaited("bulk_write")
    count_documents = _awaited("count_documents")
    delete_many = _awaited("delete_many")
    delete_one = _awaited("delete_one")
    find_one_and_update = _awaited("find_one_and_update")
    insert_many = _awaited("insert_many")
    insert_one = _awaited("insert_one")
    replace_one = _awaited("replace_one")
    update_many = _awaited("update_many")
    update_one = _awaited("update_one")


class MotorDatabase:
    """A database.

    Attributes:
        client: Whose it is.
    """

    def __init__(self, client: "MotorClient", motor: Any) -> None:
        self.client = client
        self.motor = motor

    @property
    def codec_options(self) -> CodecOptions[dict[str, Any]]:
        """How documents are read."""
        return self.motor.codec_options

    def __getitem__(self, name: str) -> MotorCollection:
        return MotorCollection(self.motor[name])

    command = _awaited("command")
    list_collection_names = _awaited("list_collection_names")

    async def cursor_command(self, command: Mapping[str, Any], **options: Any) -> _Cursor:
        """Run a command that gives a cursor."""
        return _Cursor(await _settled(self.motor.cursor_command(command, **options)))


class MotorSession:
    """A session, and its transactions.

    Attributes:
        motor: Motor's own; None before it has begun.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.motor: Any = None

    async def __aenter__(self) -> Self:
        self.motor = await _settled(self._client.start_session())
        return self

    async def __aexit__(self, *_: object) -> None:
        await _settled(self.motor.end_session())

    @property
    def operation_time(self) -> Timestamp | None:
        """The cluster time of the last operation."""
        return self.motor.operation_time

    async def with_transaction(
        self,
        body: Callable[["MotorSession"], Awaitable[T]],
        *,
        read_concern: ReadConcern,
        write_concern: WriteConcern,
    ) -> T:
        """Run `body` as one transaction, again after an error that is said to pass.

        Source: the MongoDB specification "Convenient API for Transactions".

        Raises:
            pymongo.errors.ExecutionTimeout: It did not commit within `TRANSACTION_SECONDS_MAX`.
        """
        loop, pause = asyncio.get_running_loop(), _PAUSE_SECONDS_MIN
        deadline = loop.time() + limits.TRANSACTION_SECONDS_MAX
        while True:
            self.motor.start_transaction(read_concern=read_concern, write_concern=write_concern)
            try:
                value = await body(self)
                await self._commit(deadline)
            except BaseException as error:
                if self.motor.in_transaction:
                    await _settled(self.motor.abort_transaction())
                if not _may_pass(error, "TransientTransactionError"):
                    raise
                pause = min(pause * 1.5, _PAUSE_SECONDS_MAX)
                wait = random.random() * pause  # noqa: S311  # so that those who collide part
                if loop.time() + wait >= deadline:
                    raise _timed_out(error) from error
                await asyncio.sleep(wait)
            else:
                return value

    async def _commit(self, deadline: float) -> None:
        """Commit; where it is not known whether it did, again: that does no harm."""
        while True:
            try:
                await _settled(self.motor.commit_transaction())
            except PyMongoError as error:
                expired = getattr(error, "code", None) == _MAX_TIME_EXPIRED
                if expired or not _may_pass(error, "UnknownTransactionCommitResult"):
                    raise
                if asyncio.get_running_loop().time() >= deadline:
                    raise _timed_out(error) from error
            else:
                return


def _may_pass(error: BaseException, label: str) -> bool:
    return isinstance(error, PyMongoError) and error.has_error_label(label)


def _timed_out(error: BaseException) -> ExecutionTimeout:
    return ExecutionTimeout(str(error), _MAX_TIME_EXPIRED, {"ok": 0, "code": _MAX_TIME_EXPIRED})


class MotorClient:
    """A client by Motor, with the options of `pymongo.AsyncMongoClient`."""

    def __init__(self, uri: str, **options: Any) -> None:
        self._motor: Any = AsyncIOMotorClient(uri, **options)

    def __getitem__(self, name: str) -> MotorDatabase:
        return MotorDatabase(self, self._motor[name])

    def start_session(self) -> MotorSession:
        """A session, for ``async with``."""
        return MotorSession(self._motor)

    async def aconnect(self) -> None:
        """Look up where the members of the replica set are."""
        await _settled(self._motor._connect())

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.to_thread(self._motor.delegate.close)
