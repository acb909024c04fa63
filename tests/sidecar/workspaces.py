"""A task with a workspace: its directory, its sidecar in a process of its own, what is seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.functions.chat import new_task
from tests.headwater_command import Command, headwater
from tests.serving import Running
from tests.sse import Follower


@dataclass
class Workspace:
    """A task, its directory, its sidecar, and what is seen of it."""

    server: Running
    task: str
    directory: Path
    seen: Follower

    async def until(self, name: str, condition: Any) -> Any:
        """The value of a query, when it is as wanted."""

        def is_so(follower: Follower) -> bool:
            return name in follower.values and condition(follower.values[name])

        await self.seen.until(is_so)
        return self.seen.values[name]

    async def call(self, tool: str, *, wait: bool = True, **arguments: Any) -> dict[str, Any]:
        """A call that somebody made; where wanted, when it has ended."""
        call = await self.server.mutation(
            "toolCallTracking.create",
            messageId="m", taskId=self.task, toolName=tool, args=arguments, toolCallId=uuid4().hex,
        )  # fmt: skip
        if not wait:
            return call
        return await self.ended(call["_id"])

    async def ended(self, id_: str, *statuses: str) -> dict[str, Any]:
        wanted = statuses or ("COMPLETED", "FAILED")
        calls = await self.until(
            "calls", lambda calls: any(c["_id"] == id_ and c["status"] in wanted for c in calls)
        )
        return next(call for call in calls if call["_id"] == id_)

    async def terminal(self, wanted: str) -> list[tuple[str, str]]:
        """What the terminal shows, stream by stream, when `wanted` has come."""

        def shows(segments: Any) -> bool:
            return wanted in "".join(text for _, text in _parts(segments))

        return _parts(await self.until("terminal", shows))


def _parts(segments: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(part["stream"], part["text"]) for one in segments for part in one["parts"]]


@asynccontextmanager
async def workspace(server: Running, directory: Path) -> AsyncIterator[Workspace]:
    """A task that is watched; no sidecar yet."""
    await asyncio.to_thread(directory.mkdir, exist_ok=True)
    task = await new_task(server)
    by_task = {"taskId": task}
    seen = Follower(
        server.http,
        {
            "calls": ("toolCallTracking.byTask", by_task),
            "terminal": ("terminalOutput.byTask", {**by_task, "limit": 200}),
            "files": ("fileChanges.byTask", by_task),
            "logs": ("toolLogs.byTask", by_task),
            "health": ("tasks.getWorkspaceStatus", by_task),
            "messages": ("messages.byTask", by_task),
        },
    )
    async with seen.following():
        yield Workspace(server, task, directory, seen)


@asynccontextmanager
async def sidecar(at: Workspace, **environment: str) -> AsyncIterator[Command]:
    """Its sidecar, which has said that it is ready."""
    arguments = ("--task", at.task, "--dir", str(at.directory), "--url", at.server.url)
    async with headwater("sidecar", *arguments, **environment) as command:
        await command.line("Ctrl-C stops it")
        await at.until("health", lambda health: health["status"] == "healthy")
        yield command
