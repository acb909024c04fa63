"""``GET`` and ``POST /api/sync``: many queries in one stream.

An ASGI endpoint of its own: fan-out is the point, so bytes go straight to the server's `send`,
driven by the task that made them.
"""

import asyncio
from typing import Any, cast

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from server.core.errors import HeadwaterError, Malformed
from server.sync.frames import sync_frame
from server.sync.outlet import Outlet
from server.sync.outlet import Send as OutletSend
from server.sync.stream import Transition
from server.web.auth import caller_of
from server.web.body import json_object, parse_json
from server.web.errors import error_response
from server.web.services import Services, services_of
from server.web.subscriptions import Opened, open_stream, parse_sync_request

__all__ = ["SSE_HEADERS", "STRAIGHT_SEND", "SyncEndpoint"]

STRAIGHT_SEND = "headwater.send"
"""Where the scope has the ASGI server's own `send`. Starlette wraps it twice, for errors that can
only happen before a response has begun; the frames of a stream go past the wrappings."""

SSE_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}
"""No cache and no proxy may keep a stream, compress it or wait for more of it."""


class SyncEndpoint:
    """The endpoint."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until its client leaves or the server stops."""
        try:
            response = await _opened(Request(scope, receive), send)
        except HeadwaterError as error:
            await error_response(error)(scope, receive, send)
            return
        await response.serve(receive)


async def _opened(request: Request, send: Send) -> "_Response":
    """The response to `request`. What only the opening needs is let go here, not kept for life."""
    services = services_of(request)
    caller = await caller_of(request, services.authenticate)
    asked = parse_sync_request(await _asked(request))
    opened = await open_stream(services, request, asked, caller)
    straight_send = cast("OutletSend", request.scope.get(STRAIGHT_SEND, send))
    response = _Response(services, opened, send, straight_send)
    response.open()
    return response


async def _asked(request: Request) -> object:
    if request.method == "POST":
        return await json_object(request)
    fields: dict[str, Any] = dict(request.query_params)
    if "queries" not in fields:
        raise Malformed('queries is missing: a list of {"id", "function", "args", "from"?}.')
    fields["queries"] = parse_json(fields["queries"], "queries")
    fields.pop("ticket", None)  # says who asks, to `authenticate` alone
    return fields


class _Response:
    """One stream's response."""

    def __init__(
        self, services: Services, opened: Opened, send: Send, straight_send: OutletSend
    ) -> None:
        self._hub = services.hub
        self._stream = opened.stream
        self._continues = opened.continues
        self._first = True
        self._send = send
        self._outlet = Outlet(straight_send, on_open=self.push, on_stall=self._drop)
        self._task = asyncio.current_task()
        self._dropped = False
        self._started = False

    def open(self) -> None:
        """Have the hub speak for the stream.

        Raises:
            Unavailable: The server takes no more streams.
        """
        try:
            self._hub.open(self._stream, self.push, self.end)
        except HeadwaterError:
            self._stream.close()
            raise

    async def serve(self, receive: Receive) -> None:
        """Send what there is until the client leaves or the server stops."""
        try:
            headers = [
                (name.lower().encode(), value.encode()) for name, value in SSE_HEADERS.items()
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            self._started = True
            self._outlet.write(b":\n\n")  # the reader learns at once that the stream is open
            self.push()
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not self._dropped:
                raise
        finally:
            self._hub.close(self._stream)
            self._outlet.close()

    def push(self) -> None:
        """Send what there is, unless the reader is still busy with what came before."""
        if not self._started or self._outlet.blocked:
            return
        transition = self._stream.next()
        if transition is not None:
            self._outlet.write(self._frame(transition))

    def _frame(self, transition: Transition) -> bytes:
        if not self._first:
            return self._hub.frames.frame(transition)
        self._first = False
        return sync_frame(transition, self._continues)

    def end(self) -> None:
        """End the response; a reader who is busy is left to its connection's end."""
        if self._started and not self._outlet.blocked:
            self._outlet.write(b"", more=False)
        else:
            self._drop()

    def _drop(self) -> None:
        """Give the reader up, and its connection with it."""
        self._dropped = True
        if self._task is not None:
            self._task.cancel()
