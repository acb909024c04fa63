"""A bare Claude that costs next to nothing: it answers every request at one pace, with marks.

    python -m scripts.bench.child claude DELTAS PER_SECOND

The first delta carries the time that the prompt names, so that it tells how long the first word
took from there; each other one the time at which it was sent.
"""

import asyncio
import json
import re
import sys
import time
from typing import Any

import uvloop

__all__ = ["main", "prompt"]

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_ASKED = re.compile(rb"asked at (\d+)")


def prompt() -> str:
    """A prompt that names the time."""
    return f"asked at {time.monotonic_ns() // 1000}"


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_BEGUN = _event(
    "message_start",
    message={
        "id": "msg_bench", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5",
        "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1},
    },
) + _event("content_block_start", index=0, content_block={"type": "text", "text": ""})  # fmt: skip
_ENDED = (
    _event("content_block_stop", index=0)
    + _event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 10})
    + _event("message_stop")
)


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deltas: int, per_second: float
) -> None:
    """Answer the requests of one connection."""
    loop = asyncio.get_running_loop()
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            asked = _ASKED.findall(body)[-1].decode()
            writer.write(_HEAD + _chunk(_BEGUN))
            begun = loop.time()
            for number in range(1, deltas + 1):
                await asyncio.sleep(begun + (number - 1) / per_second - loop.time())
                at = asked if number == 1 else str(time.monotonic_ns() // 1000)
                delta = {"type": "text_delta", "text": f"{number}@{at};"}
                writer.write(_chunk(_event("content_block_delta", index=0, delta=delta)))
            writer.write(_chunk(_ENDED) + _chunk(b""))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _serve(deltas: int, per_second: float) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: _answer(reader, writer, deltas, per_second), "127.0.0.1", 0
    )
    print(f"READY {server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Run the program."""
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
