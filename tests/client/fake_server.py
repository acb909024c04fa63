"""A server of bytes: what it says is scripted, whether it is HTTP or not."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OPENING = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n:\n\n"


def event(position: str, queries: Any, **more: Any) -> bytes:
    """A message of a sync stream."""
    return f"id: {position}\ndata: {json.dumps({**more, 'queries': queries})}\n\n".encode()


def answer(status: int, body: Any, *headers: str) -> bytes:
    """A whole response; a `body` of bytes goes as it is."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + content


def refusal(status: int, code: str, retry: str = "never", **more: Any) -> bytes:
    """An error in Headwater's form."""
    error = {"code": code, "message": f"It is {code}.", "retry": retry, **more}
    return answer(status, {"error": error})


@dataclass
class Request:
    """One request, as it came."""

    line: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeServer:
    """Answers each request with the next reply, and then always with the last.

    A reply's pieces are sent one after another; None keeps the connection open, silently, where
    it would be closed.
    """

    url: str = ""
    replies: deque[list[bytes | None]] = field(default_factory=deque)
    last: list[bytes | None] = field(default_factory=lambda: [None])
    requests: list[Request] = field(default_factory=list)

    def will(self, *pieces: bytes | None) -> None:
        """Reply so to a request that no other reply is for."""
        self.replies.append(list(pieces))

    def will_always(self, *pieces: bytes | None) -> None:
        """Reply so when nothing else is left; by itself, it is silent then."""
        self.last = list(pieces)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await self._request(reader))
            for piece in self.replies.popleft() if self.replies else self.last:
                if piece is None:
                    await reader.read()  # until the other side closes
                else:
                    writer.write(piece)
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        pairs = (one.partition(": ") for one in rest)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Request(line, headers, json.loads(body) if body else None)


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    """One on a free port."""
    fake = FakeServer()
    listener = await asyncio.start_server(fake._serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        listener.close()
        await listener.wait_closed()
