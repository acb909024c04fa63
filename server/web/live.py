"""``GET /api/live/{function}``: one query, as server-sent events that ``curl -N`` can read."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import uvicorn
from sse_starlette.sse import AppStatus, EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response

from server.core import limits
from server.core.errors import Malformed
from server.sync.frames import live_frame
from server.sync.stream import SyncStream
from server.web.auth import caller_of
from server.web.body import parse_json
from server.web.services import Services, services_of
from server.web.subscriptions import open_stream, parse_sync_request
from server.web.sync import SSE_HEADERS

__all__ = ["live"]

# Importing sse-starlette patches uvicorn for the whole process, and what the patch sets is never
# reset. Streams end by the hub here, so the patch is taken back.
if AppStatus.original_handler is not None:
    uvicorn.Server.handle_exit = AppStatus.original_handler  # type: ignore[method-assign]


class _Events(EventSourceResponse):
    """A response that ends when its stream does, and not by sse-starlette's own watcher."""

    async def _listen_for_exit_signal_with_grace(self) -> None:
        await asyncio.Event().wait()


async def live(request: Request) -> Response:
    """Follow one query.

    Query parameters: ``args``, a JSON object; ``from``, a position. The stream never says more
    than is true at its own position, so a query that is being run again is waited for.
    """
    services = services_of(request)
    caller = await caller_of(request, services.authenticate)
    function = request.path_params["function"]
    parsed = parse_json(request.query_params.get("args", "{}"), "args")
    if not isinstance(parsed, dict):
        raise Malformed("args must be a JSON object of arguments by name.")
    args = cast("dict[str, Any]", parsed)
    services.runtime.prepare_query(function, args, caller)  # its errors are this response's
    asked = parse_sync_request(
        {
            "queries": [{"id": "live", "function": function, "args": args}],
            "from": request.query_params.get("from"),
            "client": request.query_params.get("client"),
            "strict": True,
        }
    )
    opened = await open_stream(services, request, asked, caller)
    frames = _Frames(services, opened.stream)
    return _Events(
        frames.iterate(),
        headers={name: SSE_HEADERS[name] for name in ("Cache-Control",)},
        ping=0,
        send_timeout=limits.STREAM_STALL_SECONDS,
    )


class _Frames:
    """The frames of one stream, as an iterator that waits for the hub."""

    def __init__(self, services: Services, stream: SyncStream) -> None:
        self._hub = services.hub
        self._stream = stream
        self._news = asyncio.Event()
        self._ended = False
        try:
            self._hub.open(stream, self._news.set, self._end)
        except BaseException:
            stream.close()
            raise

    def _end(self) -> None:
        self._ended = True
        self._news.set()

    async def iterate(self) -> AsyncGenerator[bytes]:
        """Frames, ready to be sent."""
        try:
            yield b":\n\n"  # the reader learns at once that the stream is open
            while not self._ended:
                if (transition := self._stream.next()) is not None:
                    yield live_frame(transition)
                else:
                    await self._news.wait()
                    self._news.clear()
        finally:
            self._hub.close(self._stream)
