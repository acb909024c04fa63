"""The built-in application with short leases, and two tools that tell what they did.

Served as ``mortal_app.py:app`` by processes that are killed, frozen and told to stop.
"""

import os
from contextlib import aclosing

from schemas.document import Document
from server import functions
from server.app import create_app
from server.functions import reply_lease, streaming
from server.llm import ClaudeLimits
from server.runtime import Find, MutationCtx, QueryCtx, ToolCtx, mutation, query, tool

reply_lease.LEASE_SECONDS = float(os.environ.get("SURVIVAL_LEASE_SECONDS", "10"))
streaming.sweep.seconds = 0.1
streaming.sweep.timeout = 2  # a process that dies in the middle of a sweep is followed after this


class Effect(Document, collection="effects", indexes=[("of",)]):
    """Something that a tool has done, once for each time."""

    of: str
    tool: str
    call: str


class Gate(Document, collection="gates", indexes=[("of", "tool")]):
    """While there is one, the tool does not return."""

    of: str
    tool: str


@query
def gates(ctx: QueryCtx, of: str, tool: str) -> Find[Gate]:
    return ctx.find(Gate, {"of": of, "tool": tool})


@mutation
async def shut(ctx: MutationCtx, of: str, tool: str) -> None:
    await ctx.insert(Gate(of=of, tool=tool))


@mutation
async def open_all(ctx: MutationCtx) -> int:
    return await ctx.delete_many(Gate, {})


@tool(idempotent=True)
async def look_up(ctx: ToolCtx, of: str) -> str:
    """Look something up, as often as need be."""
    return await _work(ctx, of, "look_up")


@tool
async def charge(ctx: ToolCtx, of: str) -> str:
    """Charge somebody, once."""
    return await _work(ctx, of, "charge")


async def _work(ctx: ToolCtx, of: str, name: str) -> str:
    await ctx.insert(Effect(of=of, tool=name, call=ctx.tool_call_id))
    async with aclosing(ctx.follow(gates, of=of, tool=name)) as values:
        async for shut_ones in values:
            if not shut_ones:
                break
    return f"{name} of {of} is done"


SILENCE_MS = int(os.environ.get("SURVIVAL_SILENCE_MS", "120000"))
QUICK = ClaudeLimits(
    silence_timeout_ms=SILENCE_MS,
    event_timeout_ms=2 * SILENCE_MS,
    retry_delay_ms=20,
    retry_after_ms_max=200,
)

app = create_app(functions=[*functions.ALL, __name__], claude_limits=QUICK)
