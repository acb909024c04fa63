"""Sees to the calls of one step: runs the server's own, waits for the others'.

What becomes of a call is told by its document, whoever wrote it: this process, an executor, or a
person who denied it.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

import pydantic_core

from schemas.agent_tools import AgentTool
from schemas.chat_messages import ChatMessage
from server.functions.message_writer import MessageWriter
from server.functions.storable_json import storable_json
from server.functions.tool_call_tracking import by_message
from server.functions.tool_calls import ALLOWED, ENDED, error_text, failed
from server.runtime import ActionCtx, HeadwaterError, end_tasks, raise_if_cancelled

__all__ = ["ToolRuns"]

WAIT_SECONDS = 600.0
"""How long a call waits for its executor's answer, unless its tool says otherwise."""
AT_ONCE_MAX = 8
"""The server's calls of one reply that run at once."""
RESULT_BYTES_MAX = 1_000_000
LEAVE_SECONDS = 1.0
"""How long a tool that was cancelled may tidy up. Past it, nobody waits for it any more."""
RETRY_SECONDS = 0.5
"""Between two attempts at a write, while the database cannot be reached."""
LOOK_SECONDS = 1.0
"""Between two looks at what has waited too long."""


class ToolRuns:
    """The calls of one reply.

    Args:
        ctx: Through which they run.
        message: The reply.
        writer: Who writes it.
    """

    def __init__(self, ctx: ActionCtx, message: ChatMessage, writer: MessageWriter) -> None:
        self._ctx = ctx
        self._message = message
        self._writer = writer
        self._room = asyncio.Semaphore(AT_ONCE_MAX)

    async def settle(self, ids: Sequence[str]) -> dict[str, AgentTool]:
        """Wait until the calls `ids` have ended, running those that are ours; gives them.

        Each result is shown in the message as soon as it is there.
        """
        running: dict[str, asyncio.Task[None]] = {}
        ended: dict[str, AgentTool] = {}
        shown = {part.tool_call_id for part in self._message.parts if part.type == "tool-result"}
        waits = asyncio.create_task(self._end_what_waits(ids))
        try:
            async with aclosing(
                self._ctx.follow(by_message, message_id=self._message.id)
            ) as values:
                async for rows in values:
                    for row in rows:
                        call = AgentTool.model_validate(row)
                        if call.tool_call_id not in ids or call.tool_call_id in ended:
                            continue
                        if call.status in ENDED:
                            ended[call.tool_call_id] = call
                            if call.tool_call_id not in shown:
                                self._writer.add_result(
                                    call.tool_call_id, call.result, error_text(call)
                                )
                        elif _is_ready(call) and call.id not in running:
                            running[call.id] = asyncio.create_task(self._run(call))
                    for task in running.values():
                        if task.done():
                            task.result()
                    if len(ended) == len(set(ids)):
                        return ended
        finally:
            await end_tasks(waits, *running.values())
        raise AssertionError("a query that is followed has no end")

    async def _run(self, call: AgentTool) -> None:
        """Run one of the server's own tools, if the call is still ours."""
        async with self._room:
            mine = {"_id": call.id, "attempt": self._writer.attempt}
            # RUNNING too: when the write is made again, it may have been made before.
            waiting = {**mine, "status": {"$in": ["PENDING", "RUNNING"]}, "approval": ALLOWED}
            started = {"status": "RUNNING", "startedAt": datetime.now(UTC)}
            if not await self._update(waiting, started):
                return
            fields = await self._outcome(call)
            query = {**mine, "status": "RUNNING"}
            try:
                await self._update(query, fields)
            except HeadwaterError:
                unfit = f"What {call.tool_name} returned cannot be stored."
                await self._update(query, failed("failed", unfit))

    async def _update(self, query: dict[str, Any], fields: dict[str, Any]) -> bool:
        """Write, again and again while the database is away; the reply's end ends that too."""
        while True:
            try:
                found = await self._ctx.update_one(AgentTool, query, {"$set": fields})
            except HeadwaterError as error:
                if error.retry != "after":
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            else:
                raise_if_cancelled()
                return found

    async def _outcome(self, call: AgentTool) -> dict[str, Any]:
        name = call.tool_name
        if name not in self._ctx.tools:
            return failed("unknown_tool", f"This server has no tool {name!r} any more.")
        timeout = self._ctx.tools[name].timeout
        running = asyncio.create_task(
            self._ctx.run_tool(
                name,
                call.args,
                task_id=call.task_id,
                message_id=call.message_id,
                tool_call_id=call.tool_call_id,
            )
        )
        try:
            await asyncio.wait([running], timeout=timeout)
            is_late = not running.done()
        finally:
            running.cancel()
            await asyncio.wait([running], timeout=LEAVE_SECONDS)
        if is_late:
            return failed("timed_out", f"{name} took longer than {timeout:g} s.")
        match asyncio.CancelledError() if running.cancelled() else running.exception():
            case None:
                result = storable_json(running.result())
            case HeadwaterError(code=code, message=message):
                return failed("failed" if code == "internal" else code, message)
            case error:
                return failed("failed", f"{name} raised {type(error).__name__}.")
        size = len(pydantic_core.to_json(result))
        if size > RESULT_BYTES_MAX:
            said = f"{name} returned {size} bytes; the limit is {RESULT_BYTES_MAX}."
            return failed("too_large", said)
        return {"status": "COMPLETED", "result": result, "completedAt": datetime.now(UTC)}

    async def _end_what_waits(self, ids: Sequence[str]) -> None:
        """Fail the calls whose executors have had their time; waiting for a person is free."""
        waited: dict[str, float] = {}
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(HeadwaterError):  # tried again at the next look
                await self._look(ids, waited)
            raise_if_cancelled()

    async def _look(self, ids: Sequence[str], waited: dict[str, float]) -> None:
        query = {
            "messageId": self._message.id, "toolCallId": {"$in": list(ids)},
            "runsOn": "executor", "status": {"$nin": ENDED}, "approval": ALLOWED,
        }  # fmt: skip
        for call in await self._ctx.find(AgentTool, query):
            limit = call.timeout_ms / 1000 if call.timeout_ms else WAIT_SECONDS
            since = waited.setdefault(call.id, time.monotonic())
            if time.monotonic() - since > limit:
                said = f"Nobody answered within {limit:g} s."
                await self._ctx.update_one(
                    AgentTool,
                    {"_id": call.id, "status": {"$nin": ENDED}},
                    {"$set": failed("timed_out", said)},
                )


def _is_ready(call: AgentTool) -> bool:
    """Whether it is for this server to run it now."""
    return (
        call.runs_on == "server"
        and call.status == "PENDING"
        and call.approval in (None, "approved")
    )
