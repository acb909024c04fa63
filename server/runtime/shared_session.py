"""The one session of a mutation, which its context opens for each read and write."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pymongo.errors import PyMongoError

from server.runtime.explain import explain, is_passing
from server.store.writes import Session

__all__ = ["SharedSession"]


class SharedSession:
    """A session for one piece of work at a time, as MongoDB wants it.

    Args:
        name: The function's name, for messages.
        session: What is shared.
        transaction: Whether it is all one transaction, which ends at its first error.

    Attributes:
        failure: What ended the transaction.
    """

    def __init__(self, name: str, session: Session, *, transaction: bool) -> None:
        self._name = name
        self._session = session
        self._transaction = transaction
        self._turn = asyncio.Lock()
        self.failure: Exception | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Session]:
        """The session, when it is free.

        Raises:
            HeadwaterError: In place of an error of MongoDB.
            pymongo.errors.PyMongoError: Left as it is where the driver tells by it that the
                transaction must be run again, or may not be.
        """
        async with self._turn:
            if self.failure is not None:
                raise self.failure
            try:
                yield self._session
            except PyMongoError as error:
                if self._transaction and (error.timeout or is_passing(error)):
                    self.failure = error
                    raise
                known = explain(self._name, error)
                if self._transaction:
                    self.failure = known
                raise known from error
