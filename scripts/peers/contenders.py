"""Whom the bench compares, and how each is followed by a program that speaks its protocol."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from scripts.peers.opening import Opening, event_stream, get, web_socket

__all__ = ["CONTENDERS", "Contender"]


@dataclass(frozen=True)
class Contender:
    """A server as a client knows it.

    Attributes:
        name: As ``--only`` takes it.
        title: As the table shows it.
        server: What is started: ``bare``, ``headwater``, or a folder of ``servers/``.
        writes: Which of the writer's ways is taken, and thereby the server's public one.
        opening: How to follow the notes of a room.
        resuming: How to follow them after a cut, given the room and all that was told before.
        fetching: What a client must ask for beside the stream to hold a room's notes, given the
            room and the answer of the last time, or nothing.
        settings: Of the server.
    """

    name: str
    title: str
    server: str
    writes: str
    opening: Callable[[str], Opening]
    resuming: Callable[[str, bytes], Opening] | None = None
    fetching: Callable[[str, bytes], bytes] | None = None
    settings: tuple[tuple[str, str], ...] = ()


def _bare(room: str) -> Opening:
    return event_stream(f"/?room={room}")


def _headwater(room: str, told: bytes = b"") -> Opening:
    queries = [{"id": "m", "function": "board.byTask", "args": {"taskId": room}}]
    positions = re.findall(rb"^id: ?(\S+)", told, re.MULTILINE)
    headers = {"Last-Event-ID": positions[-1].decode()} if positions else {}
    return event_stream(f"/api/sync?queries={quote(json.dumps(queries))}", headers)


ENGINE = "/socket.io/?EIO=4&transport=websocket"


def _socket_io(room: str) -> Opening:
    ask = json.dumps(["subscribe", room])
    return web_socket(ENGINE, ("0{", "40"), ("40{", f"420{ask}"), ("430", ""))


def _socket_io_recovering(room: str, told: bytes) -> Opening:
    session = re.findall(rb'"pid":"([^"]+)"', told)[-1].decode()
    offset = re.findall(rb'},"([^"]+)"\]', told)[-1].decode()
    claim = json.dumps({"pid": session, "offset": offset})
    return web_socket(ENGINE, ("0{", f"40{claim}"), ("40{", ""))


def _feathers(room: str) -> Opening:
    ask = json.dumps(["find", "notes", {"room": room}])
    return web_socket(ENGINE, ("0{", "40"), ("40{", f"420{ask}"), ("430", ""))


def _rxdb(room: str) -> Opening:
    return event_stream("/notes/0/pullStream", {"Authorization": room}, heard=b"\r\n\r\n")


def _rxdb_pull(room: str, before: bytes) -> bytes:
    found = re.search(rb'"checkpoint":(\{[^}]*\})', before)
    at: dict[str, Any] = json.loads(found[1]) if found else {"id": "", "lwt": 0}
    path = f"/notes/0/pull?id={quote(str(at['id']))}&lwt={at['lwt']}&limit=1000"
    return get(path, {"Authorization": room, "Connection": "close"})


PARSE_APP = {"X-Parse-Application-Id": "peers", "Connection": "close"}


def _parse(room: str) -> Opening:
    connect = json.dumps({"op": "connect", "applicationId": "peers"})
    query = {"className": "Note", "where": {"room": room}}
    ask = json.dumps({"op": "subscribe", "requestId": 1, "query": query})
    return web_socket(
        "/parse", ("\r\n\r\n", connect), ('"op":"connected"', ask), ('"op":"subscribed"', "")
    )


def _parse_query(room: str, _before: bytes) -> bytes:
    where = quote(json.dumps({"room": room}))
    return get(f"/parse/classes/Note?limit=1000&where={where}", PARSE_APP)


CONTENDERS = (
    Contender("floor", "bare change stream, bare SSE", "bare", "mongodb", _bare),
    Contender("headwater", "Headwater", "headwater", "headwater", _headwater, _headwater),
    Contender("direct", "Headwater", "headwater", "headwater-mongodb", _headwater, _headwater),
    Contender("socketio", "Socket.IO, no database", "socketio", "socketio", _socket_io),
    Contender(
        "recovery",
        "Socket.IO with state recovery, no database",
        "socketio",
        "socketio",
        _socket_io,
        _socket_io_recovering,
        settings=(("RECOVERY", "1"),),
    ),
    Contender("feathers", "Feathers", "feathers", "feathers", _feathers),
    Contender("rxdb", "RxDB server", "rxdb", "rxdb", _rxdb, fetching=_rxdb_pull),
    Contender("parse", "Parse LiveQuery", "parse", "parse", _parse, fetching=_parse_query),
)
