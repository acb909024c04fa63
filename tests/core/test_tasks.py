"""Supervised tasks: they run, they run again, and they end."""

import asyncio
import contextlib

import pytest

from server.core import tasks
from server.core.tasks import end_tasks, supervised


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


async def test_tasks_are_ended_whatever_they_raise_and_however_often_they_forget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_SECONDS", 0.01)

    async def forget(times: int) -> None:
        for _ in range(times):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await asyncio.Event().wait()

    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("no")

    ending = [asyncio.create_task(one) for one in (forget(0), forget(3), fail())]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end_tasks(*ending)
        await end_tasks()
    assert all(task.done() for task in ending)
