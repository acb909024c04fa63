"""The sidecar of one task: its files watched, its calls run, its health told."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from server.client import Client, HeadwaterError
from server.core.tasks import supervised
from server.sidecar import limits
from server.sidecar.confined import Confined
from server.sidecar.environment import without_secrets
from server.sidecar.executor import Executor
from server.sidecar.file_changes import Change
from server.sidecar.health import Health
from server.sidecar.reports import Reports
from server.sidecar.terminal import Terminal
from server.sidecar.tools import Tools
from server.sidecar.watcher import Watcher

__all__ = ["Workspace", "run_sidecar"]

_OWN_COMMAND = "workspace"
"""Under this id the sidecar writes to the terminal itself."""


class Workspace(NamedTuple):
    """What a sidecar serves.

    Attributes:
        task_id: The task.
        directory: Its files.
        at_once_max: How many calls run at once.
    """

    task_id: str
    directory: Path
    at_once_max: int = limits.CALLS_AT_ONCE_MAX


async def run_sidecar(
    client: Client, workspace: Workspace, stop: asyncio.Event, on_ready: Callable[[], None]
) -> None:
    """Serve until told to stop, or until the task is gone; then leave nothing running.

    Args:
        client: Of the server.
        workspace: What is served.
        stop: Set to stop.
        on_ready: Called when the server knows of the workspace.

    Raises:
        HeadwaterError: The server refuses the workspace.
        OSError: The directory cannot be opened.
    """
    directory = Confined(workspace.directory)
    try:
        await _serve(client, workspace, directory, stop, on_ready)
    finally:
        directory.close()


async def _serve(
    client: Client,
    workspace: Workspace,
    directory: Confined,
    stop: asyncio.Event,
    on_ready: Callable[[], None],
) -> None:
    task_id = workspace.task_id
    watcher = Watcher(directory)
    health = Health(client, task_id, str(directory.path), lambda: watcher.trouble)
    if not await _unless(stop, _begin(watcher, health)):
        return
    reports, terminal = Reports(client), Terminal(client, task_id)
    executor = Executor(
        client, task_id, f"sidecar-{uuid4().hex}", Tools(directory, without_secrets(os.environ)),
        terminal, reports, workspace.at_once_max,
    )  # fmt: skip
    async with (
        supervised("reports", reports.send),
        supervised("the terminal", terminal.send),
        supervised("file changes", lambda: _tell(watcher, task_id, reports, terminal)),
    ):
        async with supervised("calls", executor.work):
            on_ready()
            await _unless(stop, health.beat())
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.FAREWELL_SECONDS):
                await executor.close()
                with suppress(HeadwaterError):
                    await health.end()
                await asyncio.gather(reports.flushed(), terminal.flushed())


async def _begin(watcher: Watcher, health: Health) -> None:
    await watcher.begin()
    await health.begin()


async def _unless(stop: asyncio.Event, body: Awaitable[None]) -> bool:
    """Do `body` unless told to stop before it ends; whether it ended."""
    working = asyncio.ensure_future(body)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        working.result()
        return True
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.wait([working, stopping])


async def _tell(watcher: Watcher, task_id: str, reports: Reports, terminal: Terminal) -> None:
    """Record what happens to the files, without end."""
    async with aclosing(watcher.changes()) as changes:
        async for some in changes:
            for change in some[: limits.CHANGES_MAX]:
                reports.add("fileChanges.record", _record_of(change, task_id))
            if (more := len(some) - limits.CHANGES_MAX) > 0:
                said = f"[{more:,} more changes of files at once are not shown.]\n"
                terminal.write(_OWN_COMMAND, "stderr", said)


def _record_of(change: Change, task_id: str) -> dict[str, object]:
    record: dict[str, object] = {
        "taskId": task_id,
        "changeType": change.change_type,
        "path": change.path,
        "additions": change.additions or 0,
        "deletions": change.deletions or 0,
        "changeId": uuid4().hex,
    }
    return record if change.old_path is None else {**record, "oldPath": change.old_path}
