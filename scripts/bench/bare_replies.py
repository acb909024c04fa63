"""The floor of replies: Claude's stream, single writes, a change stream, plain sockets.

Each reply's deltas are pushed to its document, one write at a time with all that has gathered, and
a change stream of the collection is written as it is to whoever listens. It has no lease, no
fence, no parts, no patch, no transcript, no position, no end.

    python -m scripts.bench.child bare-replies URI DATABASE CLAUDE_PORT

``GET /?room=R`` listens to the document R; ``POST /?room=R`` begins its reply, and names in its
body the time. It prints ``READY <port>`` when it can be asked.
"""

import asyncio
import itertools
import json
import re
import sys
from asyncio import StreamReader, StreamWriter
from collections import defaultdict
from typing import Any

import uvloop
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

__all__ = ["main"]

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: []\n\n"
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_REQUEST = re.compile(
    rb"(?P<verb>\w+) /\?room=(?P<room>\S+) .*?(?:length: (?P<length>\d+).*)?\r\n\r\n", re.I | re.S
)


class _Replies:
    """The replies that are written, and who listens to each."""

    def __init__(self, collection: AsyncCollection[dict[str, Any]], claude_port: int) -> None:
        self._collection = collection
        self._claude_port = claude_port
        self._writers: defaultdict[str, set[StreamWriter]] = defaultdict(set)
        self._writing: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    async def follow(self, opened: asyncio.Event) -> None:
        """Write every update to those who listen, for ever."""
        async with await self._collection.watch() as stream:
            await stream.try_next()
            opened.set()
            async for change in stream:
                if change["operationType"] != "update":
                    continue
                id_ = change["documentKey"]["_id"]
                body = json.dumps(
                    {"id": id_, "set": change["updateDescription"]["updatedFields"]},
                    separators=(",", ":"),
                )
                frame = f"id:{next(self._numbers)}\ndata:{body}\n\n".encode()
                for writer in self._writers[id_]:
                    writer.write(frame)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One listener until it leaves, or one request to begin a reply."""
        room = ""
        try:
            request = _REQUEST.match(await reader.readuntil(b"\r\n\r\n"))
            assert request is not None
            room = request["room"].decode()
            if request["verb"] == b"POST":
                prompt = await reader.readexactly(int(request["length"] or 0))
                writer.write(_ACCEPTED)
                self._writing.add(reply := asyncio.create_task(self._reply(room, prompt)))
                reply.add_done_callback(self._writing.discard)
                return
            writer.write(_HEAD)
            self._writers[room].add(writer)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            self._writers[room].discard(writer)
            writer.close()

    async def _reply(self, room: str, prompt: bytes) -> None:
        await self._collection.insert_one({"_id": room, "text": []})
        gathered: list[str] = []
        more = asyncio.Event()
        ended = False

        async def write() -> None:
            while not (ended and not gathered):
                await more.wait()
                more.clear()
                while gathered:
                    text = "".join(gathered)
                    gathered.clear()
                    await self._collection.update_one({"_id": room}, {"$push": {"text": text}})

        writing = asyncio.create_task(write())
        reader, writer = await asyncio.open_connection("127.0.0.1", self._claude_port)
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(prompt), prompt))
        while not ended:
            line = await reader.readline()
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[6:])
            if event["type"] == "content_block_delta":
                gathered.append(event["delta"]["text"])
            ended = event["type"] == "message_stop"
            more.set()
        writer.close()
        await writing


async def _run(uri: str, database: str, claude_port: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        replies = _Replies(client[database]["replies"], int(claude_port))
        opened = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:  # a change stream that fails ends the program
            tasks.create_task(replies.follow(opened))
            await opened.wait()
            server = await asyncio.start_server(replies.serve, "127.0.0.1", 0, backlog=2048)
            print(f"READY {server.sockets[0].getsockname()[1]}", flush=True)
            await server.serve_forever()


def main() -> None:
    """Run the program."""
    uvloop.run(_run(*sys.argv[1:]))
