"""The floor: a change stream of one collection, written as it is to plain sockets.

It has no parser, no queries, no snapshot that is joined exactly, no positions, no resumption, and
no mercy on slow readers. What it costs is what any server of this kind must cost.

    python -m scripts.bench.child bare URI DATABASE COLLECTION [--uvloop]

``GET /?room=R`` answers with one event that holds the documents whose ``taskId`` is R, then with
one event for each of their updates. It prints ``READY <port>`` when it can be asked.
"""

import asyncio
import itertools
import json
import sys
from asyncio import StreamReader, StreamWriter
from collections import defaultdict
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

__all__ = ["main"]

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
)

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


class _Rooms:
    """Who listens to which room."""

    def __init__(self, collection: AsyncCollection[dict[str, Any]]) -> None:
        self._collection = collection
        self._writers: defaultdict[str, set[StreamWriter]] = defaultdict(set)
        self._room_of: dict[str, str] = {}
        self._numbers = itertools.count(1)

    async def follow(self, opened: asyncio.Event) -> None:
        """Write every change to its room, for ever."""
        async with await self._collection.watch() as stream:
            await stream.try_next()
            opened.set()
            async for change in stream:
                self._tell(change)

    def _tell(self, change: dict[str, Any]) -> None:
        id_: str = change["documentKey"]["_id"]
        if "fullDocument" in change:
            self._room_of[id_] = change["fullDocument"]["taskId"]
            return
        fields = change["updateDescription"]["updatedFields"]
        body = _encode({"op": "update", "id": id_, "set": fields})
        frame = f"id:{next(self._numbers)}\ndata:{body}\n\n".encode()
        for writer in self._writers[self._room_of[id_]]:
            writer.write(frame)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One subscriber, until it leaves."""
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            room = request.partition("room=")[2].partition(" ")[0]
            documents = await self._collection.find({"taskId": room}).to_list()
            writer.write(HEAD + f"data:{_encode(documents)}\n\n".encode())
            self._writers[room].add(writer)
            await reader.read()
            self._writers[room].discard(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _run(uri: str, database: str, collection: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        rooms = _Rooms(client[database][collection])
        opened = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:  # a change stream that fails ends the program
            tasks.create_task(rooms.follow(opened))
            await opened.wait()
            server = await asyncio.start_server(rooms.serve, "127.0.0.1", 0, backlog=2048)
            print(f"READY {server.sockets[0].getsockname()[1]}", flush=True)
            await server.serve_forever()


def main() -> None:
    """Run the program."""
    arguments = sys.argv[1:]
    run = _run(*(one for one in arguments if one != "--uvloop"))
    if "--uvloop" in arguments:
        import uvloop  # only where asked for

        uvloop.run(run)
    else:
        asyncio.run(run)
