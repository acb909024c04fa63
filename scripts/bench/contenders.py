"""Whom the bench compares."""

import json
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["Contender"]


@dataclass(frozen=True)
class Contender:
    """A server, by one of its entrances.

    Attributes:
        name: ``bare``, ``sync`` or ``live``.
        pid: Its process.
        port: On loopback.
        database: The database whose ``chatMessages`` it follows.
    """

    name: str
    pid: int
    port: int
    database: str

    def path(self, task_id: str) -> str:
        """What to ask for, to follow the messages of a task."""
        args = {"taskId": task_id}
        if self.name == "live":
            return f"/api/live/messages.byTask?args={quote(json.dumps(args))}"
        if self.name == "sync":
            queries = [{"id": "m", "function": "messages.byTask", "args": args}]
            return f"/api/sync?queries={quote(json.dumps(queries))}"
        return f"/?room={task_id}"
