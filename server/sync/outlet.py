"""Writes a stream's bytes straight to an ASGI server, from whoever has them.

One task for each stream, woken for each message, costs about half as much again as the write
itself. So the feed's own task drives `send`: as long as the server takes the bytes at once, that
is a plain call. When the server pauses, because the reader is slow, the call that is half done
is finished by a task of its own, and the stream says nothing new meanwhile: it is a cursor and
will find later what it missed.
"""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, cast

from server.core import limits

__all__ = ["Outlet", "Send"]

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Outlet:
    """One response body.

    Args:
        send: The ASGI server's.
        on_open: Called when a reader that was slow takes bytes again.
        on_stall: Called when it took none for `STREAM_STALL_SECONDS`.
    """

    def __init__(
        self, send: Send, on_open: Callable[[], None], on_stall: Callable[[], None]
    ) -> None:
        self._send = send
        self._on_open = on_open
        self._on_stall = on_stall
        self._finishing: asyncio.Task[None] | None = None
        self.ended = False

    @property
    def blocked(self) -> bool:
        """Whether the server does not take bytes now."""
        return self.ended or self._finishing is not None

    def write(self, body: bytes, *, more: bool = True) -> None:
        """Send `body`; never while `blocked`."""
        assert not self.blocked
        self.ended = not more
        call = self._send({"type": "http.response.body", "body": body, "more_body": more})
        coroutine = cast("Coroutine[Any, Any, None]", call)  # an ABC's isinstance is not cheap
        try:
            paused = coroutine.send(None)
        except StopIteration:
            return
        except OSError:  # the reader is gone; the server says so to whoever receives
            self.ended = True
            return
        self._finishing = asyncio.create_task(self._finish(coroutine, paused))

    def close(self) -> None:
        """Give up what is still being written."""
        self.ended = True
        if self._finishing is not None:
            self._finishing.cancel()

    async def _finish(self, call: Coroutine[Any, Any, None], paused: Any) -> None:
        try:
            async with asyncio.timeout(limits.STREAM_STALL_SECONDS):
                await _resumed(call, paused)
        except TimeoutError:
            self.ended = True
            self._on_stall()
            return
        except OSError:
            self.ended = True
            return
        finally:
            self._finishing = None
        self._on_open()


@types.coroutine
def _resumed(call: Coroutine[Any, Any, None], paused: Any) -> Generator[Any, Any, None]:
    """Go on with a call that has already been started and waits for `paused`."""
    try:
        while True:
            try:
                value = yield paused
            except BaseException as error:  # noqa: BLE001  # cancellation is the call's to see
                paused = call.throw(error)
            else:
                paused = call.send(value)
    except StopIteration:
        return
