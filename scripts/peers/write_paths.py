"""The ways by which notes are written: each server's public one, one write at a time.

Every note has the same content everywhere: an id, a room, a mark, a body of 216 characters, and a
text that grows. A contender that cannot append to a text is given the whole of it each time.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pymongo import MongoClient

from scripts.peers.connections import JsonConnection, SocketIoConnection

__all__ = ["UNMARKED", "WAYS", "Way"]

BODY = "lorem ipsum dolor sit amet, " * 8
UNMARKED = "0@0;"
"""The mark of a note that was not written to yet."""


class Way(ABC):
    """How notes of one room are written."""

    def __init__(self, uri: str, port: int) -> None:
        """Take the URI of the contender's database and the port of its server."""
        self.ids: list[str] = []
        self.uri, self.port = uri, port

    @abstractmethod
    def seed(self, room: str, count: int) -> None:
        """Begin with new notes in a new room."""

    @abstractmethod
    def mark(self, note: int, mark: str) -> None:
        """Replace the mark of a note; return when that is acknowledged."""

    @abstractmethod
    def append(self, note: int, delta: str) -> None:
        """Let a note's text grow; return when that is acknowledged."""


class _MongoDB(Way):
    """Straight into MongoDB, as any program might."""

    def __init__(self, uri: str, port: int) -> None:
        super().__init__(uri, port)
        client = MongoClient[dict[str, Any]](uri, w="majority")
        self.notes = client.get_default_database()["notes"]

    def seed(self, room: str, count: int) -> None:
        now = datetime.now(UTC)
        self.ids = [secrets.token_hex(12) for _ in range(count)]
        stamps = {"createdAt": now, "updatedAt": now}
        content = {"taskId": room, "mark": UNMARKED, "body": BODY, "text": [" "]}
        self.notes.insert_many([{"_id": id_, **stamps, **content} for id_ in self.ids])

    def mark(self, note: int, mark: str) -> None:
        self.notes.update_one({"_id": self.ids[note]}, {"$set": {"mark": mark}})

    def append(self, note: int, delta: str) -> None:
        self.notes.update_one({"_id": self.ids[note]}, {"$push": {"text": delta}})


class _Headwater(_MongoDB):
    """Mutations over HTTP."""

    def __init__(self, uri: str, port: int) -> None:
        super().__init__(uri, port)
        self._http = JsonConnection(port)

    def mark(self, note: int, mark: str) -> None:
        arguments = {"noteId": self.ids[note], "mark": mark}
        self._http.call("POST", "/api/mutation/board.mark", arguments)

    def append(self, note: int, delta: str) -> None:
        arguments = {"noteId": self.ids[note], "text": delta}
        self._http.call("POST", "/api/mutation/board.append", arguments)


class _SocketIo(Way):
    """A client's message, acknowledged when it was sent on."""

    def __init__(self, uri: str, port: int) -> None:
        super().__init__(uri, port)
        self._client = SocketIoConnection(port)
        self._room = ""

    def seed(self, room: str, count: int) -> None:
        self._room = room
        self.ids = [secrets.token_hex(12) for _ in range(count)]

    def mark(self, note: int, mark: str) -> None:
        self._client.call("publish", self._room, {"id": self.ids[note], "mark": mark})

    def append(self, note: int, delta: str) -> None:
        self._client.call("publish", self._room, {"id": self.ids[note], "delta": delta})


class _Whole(Way):
    """What those have in common who are given a whole text."""

    def seed(self, room: str, count: int) -> None:
        self.texts = [" "] * count
        self.ids = []
        for _ in range(count):
            content = {"room": room, "mark": UNMARKED, "body": BODY, "text": " "}
            self.ids.append(self.create(content))

    def mark(self, note: int, mark: str) -> None:
        self.change(note, {"mark": mark})

    def append(self, note: int, delta: str) -> None:
        self.texts[note] += delta
        self.change(note, {"text": self.texts[note]})

    @abstractmethod
    def create(self, content: dict[str, Any]) -> str:
        """Make a note; its id."""

    @abstractmethod
    def change(self, note: int, fields: dict[str, Any]) -> None:
        """Replace fields of a note."""


class _Feathers(_Whole):
    """REST."""

    def __init__(self, uri: str, port: int) -> None:
        super().__init__(uri, port)
        self._http = JsonConnection(port)

    def create(self, content: dict[str, Any]) -> str:
        return self._http.call("POST", "/notes", {"_id": secrets.token_hex(12), **content})["_id"]

    def change(self, note: int, fields: dict[str, Any]) -> None:
        self._http.call("PATCH", f"/notes/{self.ids[note]}", fields)


class _Parse(_Whole):
    """REST."""

    def __init__(self, uri: str, port: int) -> None:
        super().__init__(uri, port)
        self._http = JsonConnection(port, {"X-Parse-Application-Id": "peers"})

    def create(self, content: dict[str, Any]) -> str:
        return self._http.call("POST", "/parse/classes/Note", content)["objectId"]

    def change(self, note: int, fields: dict[str, Any]) -> None:
        self._http.call("PUT", f"/parse/classes/Note/{self.ids[note]}", fields)


class _Rxdb(_Whole):
    """A push of RxDB's replication: what the master is assumed to hold, and what shall be."""

    def __init__(self, uri: str, port: int) -> None:
        super().__init__(uri, port)
        self._http = JsonConnection(port)
        self._held: list[dict[str, Any]] = []

    def seed(self, room: str, count: int) -> None:
        self._held = []
        self._http.headers = {"Authorization": room}
        super().seed(room, count)

    def create(self, content: dict[str, Any]) -> str:
        id_ = secrets.token_hex(12)
        note = {"id": id_, **content, "_deleted": False}
        self._push({"newDocumentState": note})
        self._held.append(note)
        return id_

    def change(self, note: int, fields: dict[str, Any]) -> None:
        before, after = self._held[note], {**self._held[note], **fields}
        self._push({"assumedMasterState": before, "newDocumentState": after})
        self._held[note] = after

    def _push(self, row: dict[str, Any]) -> None:
        if conflicts := self._http.call("POST", "/notes/0/push", [row]):
            raise RuntimeError(f"RxDB reports a conflict: {conflicts}")


WAYS: dict[str, Callable[[str, int], Way]] = {
    "mongodb": _MongoDB,
    "headwater": _Headwater,
    "headwater-mongodb": _MongoDB,
    "socketio": _SocketIo,
    "feathers": _Feathers,
    "rxdb": _Rxdb,
    "parse": _Parse,
}
