"""Supervised tasks: they run, they run again, and they end."""

import asyncio

import pytest

from server.core import tasks
from server.core.tasks import supervised


async def test_a_task_runs_beside_the_block_and_ends_with_it() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def body() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with supervised("test", body):
        await began.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_a_task_that_fails_is_run_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "RESTART_SECONDS", 0)
    runs, third = 0, asyncio.Event()

    async def body() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError("no")
        third.set()

    async with supervised("test", body):
        await third.wait()
    assert [record.message for record in caplog.records] == ["test failed; starting it again"] * 2


async def test_a_task_that_forgets_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_SECONDS", 0.01)
    began, forgotten = asyncio.Event(), 0

    async def body() -> None:
        nonlocal forgotten
        while True:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                forgotten += 1
                if forgotten == 3:
                    raise

    async with asyncio.timeout(10):
        async with supervised("test", body):
            await began.wait()
    assert forgotten == 3
