"""Reports to the server that must arrive once, in order, whether or not it is there just now."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from server.client import Client, HeadwaterError
from server.sidecar import limits
from server.sidecar.insisting import insist

__all__ = ["Reports"]

_log = logging.getLogger("headwater")


class Reports:
    """Mutations that wait their turn. Each must be harmless when it is made again."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, function: str, args: Mapping[str, Any]) -> None:
        """Make a mutation, as soon as may be."""
        if len(self._waiting) >= limits.QUEUE_MAX:
            _log.warning("%s is left out: %d wait already", function, limits.QUEUE_MAX)
            return
        self._waiting.append((function, args))
        self._idle.clear()
        self._news.set()

    async def flushed(self) -> None:
        """Wait until all are made."""
        await self._idle.wait()

    async def send(self) -> None:
        """Make those that come, without end."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._make(*self._waiting[0])
                self._waiting.popleft()
            self._idle.set()

    async def _make(self, function: str, args: Mapping[str, Any]) -> None:
        try:
            await insist(lambda: self._client.mutation(function, args))
        except HeadwaterError as error:
            _log.warning("%s was refused: %s", function, error.message)
