"""Tools for the tests: ones that count what they did, wait, fail, or need leave."""

import asyncio
import sys
from contextlib import suppress

from server.runtime import Conflict, ToolCtx, tool

effects: list[str] = []
"""What the tools have done, in order."""

holding = asyncio.Event()
"""`hold` waits for it."""


@tool
async def add(ctx: ToolCtx, left: int, right: int) -> int:
    """Add two numbers."""
    effects.append(f"add {left} {right}")
    return left + right


@tool(idempotent=True)
async def look_up(ctx: ToolCtx, place_name: str) -> dict[str, str]:
    """Look a place up."""
    effects.append(f"look up {place_name}")
    return {"place": place_name, "call": ctx.tool_call_id}


@tool(timeout=0.2)
async def hold(ctx: ToolCtx) -> None:
    """Wait for ever."""
    effects.append("hold")
    await holding.wait()


@tool(timeout=60)
async def hold_long(ctx: ToolCtx) -> None:
    """Wait for very long."""
    effects.append("hold long")
    await holding.wait()


@tool
async def refuse(ctx: ToolCtx, secret: str = "") -> None:
    """Say no."""
    raise Conflict("Not on a Sunday.")


@tool
async def crash(ctx: ToolCtx) -> None:
    """Fail inside."""
    raise ZeroDivisionError("sk-ant-a-secret-of-the-tool")


@tool(approval=True)
async def launch(ctx: ToolCtx, what: str) -> str:
    """Launch something, if somebody allows it."""
    effects.append(f"launch {what}")
    return f"{what} is up"


@tool(timeout=0.2)
async def stay(ctx: ToolCtx) -> None:
    """Wait for very long, and let nobody stop it."""
    while not holding.is_set():
        with suppress(asyncio.CancelledError):
            await holding.wait()


@tool
async def leave(ctx: ToolCtx) -> None:
    """Try to end the program."""
    sys.exit(3)


@tool
async def give_up(ctx: ToolCtx) -> None:
    """Wait for something that was cancelled."""
    gone = asyncio.get_running_loop().create_future()
    gone.cancel()
    await gone


@tool
async def answer(ctx: ToolCtx) -> str:
    """Answer the caller of the action."""
    await ctx.respond("mine")
    return "answered"


@tool
async def half(ctx: ToolCtx) -> dict[str, str]:
    """Return half a character, under a name that cannot be stored."""
    return {"a\0b": "\ud83d"}
