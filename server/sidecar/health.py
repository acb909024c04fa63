"""Tells the server that the workspace is there, and how it is."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from server.client import Client, HeadwaterError, NotFound
from server.sidecar import limits
from server.sidecar.insisting import insist
from server.sidecar.tools import offers

__all__ = ["Health"]

_log = logging.getLogger("headwater")


class Health:
    """The heartbeats of one workspace.

    Args:
        client: Of the server.
        task_id: Whose workspace.
        directory: What it is called.
        trouble: Says what is not as it should be; None where all is well.
    """

    def __init__(
        self, client: Client, task_id: str, directory: str, trouble: Callable[[], str | None]
    ) -> None:
        self._client = client
        self._said: dict[str, Any] = {
            "taskId": task_id,
            "host": socket.gethostname()[:1_000],
            "pid": os.getpid(),
            "version": version("headwater"),
            "directory": directory[:1_000],
            "tools": offers(),
        }
        self._trouble = trouble

    async def begin(self) -> None:
        """Say so for the first time, however long the server is away.

        Raises:
            HeadwaterError: The server refuses: there is no such task, or we may not.
        """
        await insist(lambda: self._say(self._state()))

    async def beat(self) -> None:
        """Say so again and again; ends when the task is gone."""
        while True:
            await asyncio.sleep(limits.HEARTBEAT_SECONDS)
            try:
                await insist(lambda: self._say(self._state()))
            except NotFound:
                return
            except HeadwaterError as error:
                _log.warning("A heartbeat was refused: %s", error.message)

    async def end(self) -> None:
        """Say that the workspace is gone.

        Raises:
            HeadwaterError: Nobody heard it.
        """
        await self._say({"status": "gone", "message": "It was stopped."})

    def _state(self) -> dict[str, Any]:
        trouble = self._trouble()
        return (
            {"status": "healthy"} if trouble is None else {"status": "degraded", "message": trouble}
        )

    async def _say(self, state: dict[str, Any]) -> None:
        await self._client.mutation("tasks.workspaceHeartbeat", {**self._said, **state})
