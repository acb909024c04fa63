"""Segments of terminal output: appended to, followed by the next, and left out when too many.

Of each command the first `HEAD_SEGMENTS` and the last `TAIL_SEGMENTS` are kept, of each task
`TASK_SEGMENTS_MAX`. Where some are left out a segment with a notice says how much that was.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.terminal_output import OutputStream, TerminalOutput, TerminalPart
from server.runtime import MutationCtx

__all__ = [
    "HEAD_SEGMENTS",
    "SEGMENT_APPENDS_MAX",
    "SEGMENT_CHARACTERS_MIN",
    "TAIL_SEGMENTS",
    "TASK_SEGMENTS_MAX",
    "extend",
    "is_full",
    "open_segment",
    "start",
]

SEGMENT_CHARACTERS_MIN = 32_768
"""A segment with as many is full. The append that fills it goes into it whole."""
SEGMENT_APPENDS_MAX = 2_000
"""A segment made of as many appends is full."""
HEAD_SEGMENTS = 4
"""Of a command, from its beginning."""
TAIL_SEGMENTS = 12
"""Of a command, from its end; the one that is being written among them."""
TASK_SEGMENTS_MAX = 1_000
"""Of a task. The oldest beyond them are left out, those first that are not a command's last."""
TASK_CUT_SEGMENTS = 50
"""How many a task loses at a time."""

_NO_COMMAND = ""
"""The command id of the one segment that says what a task lost."""

_UNCHANGED = {"$min": {"updatedAt": datetime(9999, 1, 1, tzinfo=UTC)}}
"""Leaves `updatedAt` as it is: an append shows its text and nothing else."""


async def open_segment(ctx: MutationCtx, task_id: str, command_id: str) -> TerminalOutput | None:
    """The last segment of a command, without its parts; None where it has written nothing."""
    open_ = {"taskId": task_id, "commandId": command_id, "closed": False}
    fields = ["sequence", "starts", "ends", "appends", "tip", "tipStream", "createdAt"]
    found = await ctx.find(TerminalOutput, open_, limit=1, fields=fields)
    return found[0] if found else None


def is_full(segment: TerminalOutput) -> bool:
    """Whether the next text begins another segment."""
    characters = segment.ends.total - segment.starts.total
    return characters >= SEGMENT_CHARACTERS_MIN or segment.appends >= SEGMENT_APPENDS_MAX


async def extend(
    ctx: MutationCtx, segment: TerminalOutput, stream: OutputStream, text: str
) -> None:
    """Append to a segment that is not full: one ``$push``."""
    counted = {f"ends.{stream}": len(text), "appends": 1}
    update: dict[str, Any] = {"$inc": counted, **_UNCHANGED}
    if segment.tip_stream == stream:
        update["$push"] = {f"parts.{segment.tip}.text": text}
    else:
        update["$push"] = {"parts": TerminalPart(stream=stream, text=text)}
        update["$set"] = {"tip": segment.tip + 1, "tipStream": stream}
    await ctx.update_one(TerminalOutput, {"_id": segment.id}, update)


async def start(
    ctx: MutationCtx,
    before: TerminalOutput | None,
    task_id: str,
    command_id: str,
    stream: OutputStream,
    text: str,
) -> None:
    """Begin the next segment of a command, and leave out what is too much then."""
    now = datetime.now(UTC)
    segment = TerminalOutput(
        task_id=task_id,
        command_id=command_id,
        sequence=0,
        parts=[TerminalPart(stream=stream, text=text)],
        tip_stream=stream,
        appends=1,
        created_at=now,
    )
    if before is not None:
        closed = {"$set": {"closed": True}, **_UNCHANGED}
        await ctx.update_one(TerminalOutput, {"_id": before.id}, closed)
        segment.sequence = before.sequence + 1
        segment.starts = before.ends
        segment.created_at = max(now, before.created_at)
    segment.ends = segment.starts.model_copy(
        update={stream: getattr(segment.starts, stream) + len(text)}
    )
    await ctx.insert(segment)
    await _cut_command(ctx, segment)
    await _cut_task(ctx, segment)


async def _cut_command(ctx: MutationCtx, newest: TerminalOutput) -> None:
    """Leave out the middle of a command: its first segment becomes the notice."""
    until = newest.sequence - TAIL_SEGMENTS + 1
    if until <= HEAD_SEGMENTS + 1:
        return
    command = {"taskId": newest.task_id, "commandId": newest.command_id}
    middle = await ctx.find(
        TerminalOutput,
        {**command, "sequence": {"$gte": HEAD_SEGMENTS, "$lt": until}},
        sort=[("sequence", 1)],
        fields=["starts", "ends"],
    )
    first, *others = middle
    ends = middle[-1].ends
    omitted = ends.total - first.starts.total
    fields = {**_notice(omitted), "ends": ends}
    await ctx.update_one(TerminalOutput, {"_id": first.id}, {"$set": fields})
    await ctx.delete_many(TerminalOutput, {"_id": {"$in": [one.id for one in others]}})


async def _cut_task(ctx: MutationCtx, newest: TerminalOutput) -> None:
    """Leave out the oldest segments of a task, and say so where they were."""
    of_task = {"taskId": newest.task_id, "commandId": {"$ne": _NO_COMMAND}}
    if await ctx.count(TerminalOutput, of_task) <= TASK_SEGMENTS_MAX:
        return
    fields = ["starts", "ends", "createdAt"]
    order = [("createdAt", 1), ("sequence", 1)]
    cut: list[TerminalOutput] = []
    for closed in (True, False):
        if len(cut) < TASK_CUT_SEGMENTS:
            cut += await ctx.find(
                TerminalOutput,
                {**of_task, "closed": closed, "_id": {"$ne": newest.id}},
                sort=order,
                limit=TASK_CUT_SEGMENTS - len(cut),
                fields=fields,
            )
    await ctx.delete_many(TerminalOutput, {"_id": {"$in": [one.id for one in cut]}})
    await _tell_task(ctx, newest.task_id, cut)


async def _tell_task(ctx: MutationCtx, task_id: str, cut: Sequence[TerminalOutput]) -> None:
    omitted = sum(one.ends.total - one.starts.total for one in cut)
    moment = max(one.created_at for one in cut)
    found = await ctx.find(TerminalOutput, {"taskId": task_id, "commandId": _NO_COMMAND}, limit=1)
    if found:
        notice = found[0]
        omitted += notice.omitted_characters or 0
    else:
        notice = await ctx.insert(
            TerminalOutput(task_id=task_id, command_id=_NO_COMMAND, sequence=0, closed=True)
        )
    fields = {**_notice(omitted), "createdAt": moment}
    await ctx.update_one(TerminalOutput, {"_id": notice.id}, {"$set": fields})


def _notice(omitted: int) -> dict[str, Any]:
    """The fields of a segment that stands for others."""
    said = f"\n[{omitted:,} characters of output were left out]\n"
    return {
        "parts": [TerminalPart(stream="notice", text=said)],
        "omittedCharacters": omitted,
    }
