"""Runs the calls of a task's tools that are this workspace's own.

A call is claimed, kept by renewing the claim, run, and reported. Whoever no longer has it, because
it was cancelled, was taken away, or could not be renewed in time, stops at once.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import orjson

from server.client import Client, Conflict, HeadwaterError
from server.sidecar import limits
from server.sidecar.excerpt import Excerpt
from server.sidecar.insisting import insist, retry_seconds
from server.sidecar.paths import Refused
from server.sidecar.reports import Reports
from server.sidecar.terminal import Terminal
from server.sidecar.tools import NAMES, Tools

__all__ = ["Executor"]

_log = logging.getLogger("headwater")

Call = Mapping[str, Any]
"""A call of a tool, as ``toolCallTracking.pending`` shows it."""


class Executor:
    """Takes calls of one task.

    Args:
        client: Of the server.
        task_id: Whose calls.
        name: The executor's, which no other one has.
        tools: What runs them.
        terminal: Where commands write.
        reports: Where each run is logged.
        at_once_max: How many calls run at once.
    """

    def __init__(
        self,
        client: Client,
        task_id: str,
        name: str,
        tools: Tools,
        terminal: Terminal,
        reports: Reports,
        at_once_max: int = limits.CALLS_AT_ONCE_MAX,
    ) -> None:
        self._client = client
        self._task_id = task_id
        self._name = name
        self._tools = tools
        self._terminal = terminal
        self._reports = reports
        self._at_once_max = at_once_max
        self._pending: Sequence[Call] = ()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._left: set[tuple[str, int]] = set()
        """Calls that somebody else got, each by its id and how often it had been claimed."""
        self._held: dict[str, Call] = {}
        """Calls that are claimed and not reported, by id."""

    async def work(self) -> None:
        """Take calls, without end."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                waiting = self._client.subscribe(
                    "toolCallTracking.pending", {"taskId": self._task_id}, patience_seconds=None
                )
                async with aclosing(waiting):
                    async for calls in waiting:
                        self._pending = calls
                        self._left &= {_offer_of(call) for call in calls}
                        self._take()
            except HeadwaterError as error:
                _log.warning("The calls of the task cannot be followed: %s", error.message)
            failures = 1 if time.monotonic() - began > limits.RETRY_SECONDS_MAX else failures + 1
            await asyncio.sleep(retry_seconds(failures))

    async def close(self) -> None:
        """Stop what runs, and give back what is held."""
        self._pending = ()
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(*map(self._give_back, self._held.values()), return_exceptions=True)

    def _take(self) -> None:
        """Begin with as many of the waiting calls as there is room for."""
        for call in self._pending:
            if len(self._running) >= self._at_once_max:
                return
            id_ = call["_id"]
            if call["toolName"] not in NAMES or id_ in self._running:
                continue
            if _offer_of(call) in self._left:
                continue
            task = asyncio.create_task(self._see_to(call), name=f"call {id_}")
            self._running[id_] = task
            task.add_done_callback(lambda done, call=call: self._done(call, done))

    def _done(self, call: Call, task: asyncio.Task[None]) -> None:
        self._running.pop(call["_id"], None)
        self._left.add(_offer_of(call))
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("A call of %s failed inside", call["toolName"], exc_info=error)
        self._take()

    async def _see_to(self, call: Call) -> None:
        """Claim a call, run it, report it."""
        began = time.monotonic()
        try:
            claimed = await insist(lambda: self._claim(call))
        except HeadwaterError:
            return  # somebody else's, or over
        self._held[call["_id"]] = claimed
        log_id = uuid4().hex
        self._reports.add("toolLogs.begin", self._log_of(claimed, log_id))
        work = asyncio.create_task(self._run(claimed, log_id))
        keep = asyncio.create_task(self._keep(claimed, began))
        try:
            await asyncio.wait([work, keep], return_when=asyncio.FIRST_COMPLETED)
        finally:
            keep.cancel()
            work.cancel()
            await asyncio.wait([work, keep])
            self._terminal.forget(log_id)
            if work.cancelled():
                self._log_end(log_id, began, "It was stopped.", None)
        if work.cancelled():
            del self._held[call["_id"]]  # it is nobody's, or another's
            return
        outcome = work.result()
        self._log_end(log_id, began, outcome.get("error"), outcome.get("result"))
        await self._report(claimed, outcome)
        del self._held[call["_id"]]

    async def _claim(self, call: Call) -> Call:
        args = {"id": call["_id"], "executor": self._name}
        return await self._client.mutation("toolCallTracking.claim", args)

    async def _run(self, call: Call, log_id: str) -> dict[str, Any]:
        """What `updateResult` is told of a call, which is run."""
        try:
            result = await self._tools.run(
                call["toolName"],
                call["args"],
                lambda stream, text: self._terminal.write(log_id, stream, text),
            )
        except Refused as refused:
            return {"status": "FAILED", "error": str(refused)[:20_000]}
        except Exception:  # noqa: BLE001  # one call must not end the others
            _log.exception("%s failed", call["toolName"])
            return {"status": "FAILED", "error": "The workspace failed; its log says why."}
        return {"status": "COMPLETED", "result": result}

    # --- keeping a claim --------------------------------------------------------------------------

    async def _keep(self, call: Call, claimed_at: float) -> None:
        """Renew the claim; ends when the call is ours no more."""
        renew = asyncio.create_task(self._renew(call, claimed_at))
        follow = asyncio.create_task(self._follow(call))
        try:
            await asyncio.wait([renew, follow], return_when=asyncio.FIRST_COMPLETED)
        finally:
            renew.cancel()
            follow.cancel()
            await asyncio.wait([renew, follow])

    async def _renew(self, call: Call, claimed_at: float) -> None:
        """Ends when the claim was refused, or may have run out."""
        held_seconds = limits.CLAIM_SECONDS - limits.CLAIM_MARGIN_SECONDS
        try:
            async with asyncio.timeout_at(claimed_at + held_seconds) as until:
                while True:
                    await asyncio.sleep(limits.RENEW_SECONDS)
                    sent_at = time.monotonic()
                    await insist(lambda: self._claim(call))
                    until.reschedule(sent_at + held_seconds)
        except TimeoutError:
            _log.warning("The claim of a call ran out: the server could not be reached")
        except HeadwaterError:
            return

    async def _follow(self, call: Call) -> None:
        """Ends when the call is seen to be over, or another's."""
        failures = 0
        while True:
            try:
                states = self._client.subscribe(
                    "toolCallTracking.byToolCallId",
                    {"toolCallId": call["toolCallId"]},
                    patience_seconds=None,
                )
                async with aclosing(states):
                    async for state in states:
                        if state is None or not self._is_ours(call, state):
                            return
            except HeadwaterError as error:
                _log.warning("A call cannot be followed: %s", error.message)
            failures += 1
            await asyncio.sleep(retry_seconds(failures))

    def _is_ours(self, call: Call, state: Call) -> bool:
        if state["_id"] != call["_id"]:
            return True  # another call of the same id: this one is not seen
        return state["status"] == "RUNNING" and state.get("executor") == self._name

    # --- telling ----------------------------------------------------------------------------------

    async def _report(self, call: Call, outcome: Mapping[str, Any]) -> None:
        try:
            await insist(lambda: self._update_result(call, outcome))
        except Conflict:
            _log.warning("The result of %s comes too late", call["toolName"])
        except HeadwaterError as error:
            failure = {"status": "FAILED", "error": f"The result was not taken: {error.message}"}
            try:
                await insist(lambda: self._update_result(call, failure))
            except HeadwaterError:
                _log.warning("The result of %s was refused: %s", call["toolName"], error.message)

    async def _update_result(self, call: Call, outcome: Mapping[str, Any]) -> Any:
        args = {"toolCallId": call["toolCallId"], "executor": self._name, **outcome}
        return await self._client.mutation("toolCallTracking.updateResult", args)

    async def _give_back(self, call: Call) -> None:
        """Let the server offer a call again that may be made again, and fail another."""
        args = {"id": call["_id"], "executor": self._name}
        await self._client.mutation("toolCallTracking.release", args)

    def _log_of(self, call: Call, log_id: str) -> dict[str, Any]:
        return {
            "taskId": self._task_id,
            "toolName": call["toolName"],
            "toolCallId": call["toolCallId"],
            "logId": log_id,
            "input": _short(call["args"]),
        }

    def _log_end(self, log_id: str, began: float, error: str | None, result: Any) -> None:
        told: dict[str, Any] = {"status": "COMPLETED"}
        if error is not None:
            told = {"status": "FAILED", "error": _short(error)}
        if result is not None:
            told["output"] = _short(result)
        took_ms = round((time.monotonic() - began) * 1000)
        self._reports.add("toolLogs.finish", {"logId": log_id, "durationMs": took_ms, **told})


def _offer_of(call: Call) -> tuple[str, int]:
    return call["_id"], call["claims"]


def _short(value: Any) -> str:
    excerpt = Excerpt(limits.LOG_CHARACTERS_MAX)
    excerpt.add(value if isinstance(value, str) else orjson.dumps(value).decode())
    return str(excerpt)
