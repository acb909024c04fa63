"""Every change of every reply, as MongoDB tells it; and whether a reply may have such a history."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient

from server.store.connection import database_name

__all__ = ["RUNNING", "Audit", "auditing", "faults_of"]

RUNNING = ("PENDING", "STREAMING")

Change = dict[str, Any]
"""The fields that one write set, by dotted path."""


class Audit:
    """What has been written to the messages, all of it and in its order.

    Attributes:
        changes: By message.
    """

    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = defaultdict(list)
        self._news = asyncio.Event()

    async def watch(self, stream: Any) -> None:
        async for event in stream:
            fields = event.get("updateDescription", {}).get("updatedFields")
            if fields is None:
                fields = event.get("fullDocument", {})
            self.changes[str(event["documentKey"]["_id"])].append(fields)
            self._news.set()

    async def told(self, message: str, status: str) -> list[Change]:
        """The history of a message, when the last status in it is `status`."""
        async with asyncio.timeout(60):
            while statuses(self.changes[message])[-1:] != [status]:
                self._news.clear()
                await self._news.wait()
        return self.changes[message]


@asynccontextmanager
async def auditing(uri: str) -> AsyncIterator[Audit]:
    """Watch the messages of a database while the block runs."""
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        messages = client[database_name(uri)]["chatMessages"]
        async with await messages.watch() as stream:
            audit = Audit()
            watching = asyncio.create_task(audit.watch(stream))
            try:
                yield audit
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)


def statuses(changes: Iterable[Change]) -> list[str]:
    return [change["status"] for change in changes if "status" in change]


def faults_of(changes: Iterable[Change]) -> list[str]:
    """What is wrong with a reply's history.

    Each attempt has one ending at most, nothing is written after an ending but by the next
    attempt, and attempts follow one another one by one.
    """
    faults: list[str] = []
    attempt, ended = 0, False
    for change in changes:
        claimed = change.get("attempts")
        if claimed is not None:
            if claimed != attempt + 1:
                faults.append(f"attempt {claimed} follows {attempt}")
            attempt, ended = claimed, False
        status = change.get("status")
        if ended and (status is not None or any(name.startswith("parts") for name in change)):
            faults.append(f"written after the ending of attempt {attempt}: {change}")
        ended = ended or (status is not None and status not in RUNNING)
    return faults
