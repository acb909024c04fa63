"""Writes a reply: asks Claude, runs the tools that it calls, and asks again, until it has ended."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

from pydantic import SecretStr

from schemas.chat_messages import ChatMessage
from server.functions import reply_lease
from server.functions.message_writer import Fenced, MessageWriter, PartsGone, TooLong
from server.functions.replies import Opened, open_turn, running_before, state_of
from server.functions.reply_lease import RUNNING, fence, renew
from server.functions.tool_runs import ToolRuns
from server.functions.transcripts import result_block
from server.llm import (
    Claude,
    ClaudeError,
    Ended,
    Entry,
    Event,
    build_request,
    tool_uses,
)
from server.runtime import ActionCtx, HeadwaterError, end_tasks, raise_if_cancelled

__all__ = ["write_reply"]

STEPS_MAX = 25
"""Requests of one attempt at a reply."""
TOKENS_MAX = 300_000
"""Output tokens of one attempt, beyond which no further step begins."""
REPLY_SECONDS_MAX = 3_300.0
"""How long one attempt may take, waiting for tools and people included."""
RENEWALS = 3
"""How often a lease is renewed in the time that it lasts."""


async def write_reply(
    ctx: ActionCtx,
    claude: Claude,
    message: ChatMessage,
    key: SecretStr | None,
    opened: Opened | None = None,
) -> None:
    """Write one attempt at a reply; whatever happens, the message gets one ending.

    Args:
        ctx: Whose action.
        claude: Who is asked.
        message: The reply, whose lease is ours.
        key: The caller's own key for Claude.
        opened: What it begins from, where it is its turn already.
    """
    writer = MessageWriter(ctx, message)
    loop = _Loop(ctx, claude, message, writer, key)
    try:
        async with asyncio.timeout(REPLY_SECONDS_MAX):
            await _while_ours(ctx, message, writer, loop.run(opened))
    except Fenced:
        await writer.tell_usage()
    except asyncio.CancelledError:
        await writer.interrupt()
        raise
    except TimeoutError:
        said = f"The reply took longer than {REPLY_SECONDS_MAX / 60:g} minutes; resume it to go on."
        await writer.fail("timed_out", said)
    except PartsGone:
        said = (
            "Somebody removed parts of this message while it was written; what they left is kept. "
            "Resume it to go on, or ask anew."
        )
        await writer.fail("conflict", said)
    except TooLong:
        await writer.fail("too_large", "The reply has become as long as a message may be.")
    except ClaudeError as error:
        await writer.fail(error.code, error.message)
    except Exception:
        await writer.fail("internal", "The reply could not be written; the server's log says why.")
        raise


async def _while_ours(
    ctx: ActionCtx, message: ChatMessage, writer: MessageWriter, work: Coroutine[Any, Any, None]
) -> None:
    """Do `work` while the message is ours to write: renew the lease, and watch who else writes.

    Raises:
        Fenced: Somebody else has ended it or taken it up.
    """
    working = asyncio.create_task(work, name=f"reply {message.id}")
    guards = [
        asyncio.create_task(_keep_lease(ctx, message)),
        asyncio.create_task(_watch(ctx, message)),
    ]
    try:
        await asyncio.wait([working, *guards], return_when=asyncio.FIRST_COMPLETED)
        if writer.is_ending:  # the news may be of this very ending, which learns what it came to
            await asyncio.wait([working])
        if working.done():
            working.result()
            return
        for guard in guards:
            if guard.done():
                guard.result()
        raise Fenced
    finally:
        await end_tasks(working, *guards)


async def _keep_lease(ctx: ActionCtx, message: ChatMessage) -> None:
    """Renew the lease; returns when it is lost."""
    query = fence(message.id, message.attempts)
    while True:
        await asyncio.sleep(reply_lease.LEASE_SECONDS / RENEWALS)
        try:
            if not await renew(ctx, query):
                return
        except HeadwaterError as error:
            if error.retry != "after":
                raise
        raise_if_cancelled()


async def _watch(ctx: ActionCtx, message: ChatMessage) -> None:
    """Watch the message's state; returns when it is no longer ours."""
    async with aclosing(ctx.follow(state_of, message_id=message.id)) as values:
        async for rows in values:
            if not rows or rows[0][0] not in RUNNING:
                return
            if rows[0][1] != message.attempts:
                return


class _Loop:
    """The steps of one attempt.

    Args:
        ctx: Whose action.
        claude: Who is asked.
        message: The reply.
        writer: Who writes it.
        key: The caller's own key for Claude.
    """

    def __init__(
        self,
        ctx: ActionCtx,
        claude: Claude,
        message: ChatMessage,
        writer: MessageWriter,
        key: SecretStr | None,
    ) -> None:
        self._ctx = ctx
        self._claude = claude
        self._message = message
        self._writer = writer
        self._key = key.get_secret_value() if key is not None else None
        self._runs = ToolRuns(ctx, message, writer)
        self._entries: list[Entry] = []

    async def run(self, opened: Opened | None) -> None:
        """Wait for our turn, unless it has been `opened`, and write."""
        if opened is None:
            opened = await self._open()
        self._entries = opened.entries
        async with self._writer.writing():
            if opened.outstanding:
                await self._answer(opened.outstanding)
            first = opened.step
            for number in range(first, first + STEPS_MAX):
                request = build_request(self._entries, opened.base)
                ended = await self._step(number, self._claude.stream(request, self._key))
                is_last = number == first + STEPS_MAX - 1 or self._writer.tokens > TOKENS_MAX
                if await self._is_over(ended, is_last=is_last):
                    return

    async def _open(self) -> Opened:
        message = self._message
        await self._turn()
        opened = await self._ctx.run_mutation(
            open_turn, message_id=message.id, attempt=message.attempts
        )
        if opened is None:
            raise Fenced
        return opened

    async def _turn(self) -> None:
        """Wait until no earlier reply of the task is being written."""
        which: dict[str, Any] = {
            "task_id": self._message.task_id,
            "sequence": self._message.sequence,
        }
        if not await running_before(self._ctx, **which):
            return
        async with aclosing(self._ctx.follow(running_before, **which)) as values:
            async for before in values:
                if not before:
                    return

    async def _step(self, number: int, events: AsyncGenerator[Event]) -> Ended:
        """Hear one reply of Claude out."""
        self._writer.begin_step(number)
        async with aclosing(events):
            async for event in events:
                self._writer.hear(event)
                self._writer.check()
                if isinstance(event, Ended):
                    return event
        raise AssertionError("a stream ends with Ended or raises")

    async def _is_over(self, ended: Ended, *, is_last: bool) -> bool:
        """Write a step down, and answer the tools that it calls; whether it was the last."""
        writer = self._writer
        reason = ended.stop_reason
        uses = [dict(use) for use in tool_uses(ended.content)]
        if reason == "refusal":
            await writer.refuse(ended)
            return True
        if reason == "pause_turn" and not is_last:
            self._entries += await writer.record(ended)
            return False
        if reason == "tool_use" and uses and not is_last:
            self._entries += await writer.record(ended, uses=uses)
            await self._answer(uses)
            return False
        if reason in ("tool_use", "pause_turn") and is_last:
            reason = "max_steps"
        results = [result_block(use, None) for use in uses]
        more = [Entry.of("results", results, self._message.id)] if results else []
        await writer.record(ended, status="COMPLETED", finish_reason=reason, more=more)
        return True

    async def _answer(self, uses: Sequence[dict[str, Any]]) -> None:
        """Have the calls answered, and write down what goes back to Claude."""
        calls = await self._runs.settle([str(use["id"]) for use in uses])
        blocks = [result_block(use, calls.get(str(use["id"]))) for use in uses]
        results = Entry.of("results", blocks, self._message.id)
        self._entries += await self._writer.record_results(results)
        self._writer.check()
