"""Waking streams, on the event loop that `headwater serve` runs on."""

import asyncio
from typing import Any, cast

import uvloop

from server.sync.hub import Hub


def test_a_stream_that_is_due_at_once_may_be_asked_for_later_too() -> None:
    pushed: list[float] = []
    stream: Any = cast("Any", type("Stream", (), {"client": None, "close": lambda _: None})())

    async def run() -> None:
        hub, loop = Hub(), asyncio.get_running_loop()
        woken = asyncio.Event()

        def push() -> None:
            pushed.append(loop.time())
            woken.set()

        hub.open(stream, push, lambda: None)
        await woken.wait()
        woken.clear()
        hub.wake_later(stream, 0.0)
        hub.wake_later(stream, 60.0)
        await asyncio.wait_for(woken.wait(), 20)
        hub.close(stream)

    uvloop.run(run())
    assert len(pushed) == 2
