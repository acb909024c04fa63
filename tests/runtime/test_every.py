"""Functions that run by themselves, and their end."""

import asyncio
from typing import Any, cast

import pytest

from server.runtime import ActionCtx, every
from server.runtime.every import keep_running
from server.store.schedules import Schedules


class Forgetful:
    """Schedules whose driver forgets a cancellation, as PyMongo does on Python 3.11."""

    def __init__(self, forgets: str) -> None:
        self._forgets = forgets
        self.asked = asyncio.Event()
        self.finished = False

    async def _answer(self, operation: str) -> None:
        if operation == self._forgets:
            self.asked.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return

    async def prepare(self, _name: str) -> None:
        await self._answer("prepare")

    async def claim(self, _name: str, _seconds: float) -> bool:
        await self._answer("claim")
        return True

    async def finish(self, _name: str, _seconds: float) -> None:
        self.finished = True
        await self._answer("finish")


@pytest.mark.parametrize("operation", ["prepare", "claim", "finish"])
async def test_a_cancellation_that_the_driver_forgets_ends_it_all_the_same(operation: str) -> None:
    schedules = Forgetful(operation)
    runs = 0

    @every(seconds=0.001)
    async def one(_: ActionCtx) -> None:
        nonlocal runs
        runs += 1

    context = cast("Any", lambda _: None)
    running = asyncio.create_task(
        keep_running("test.one", one, cast("Schedules", schedules), context)
    )
    await schedules.asked.wait()
    running.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await running
    assert runs == (operation == "finish")
    assert schedules.finished == (operation != "prepare")
