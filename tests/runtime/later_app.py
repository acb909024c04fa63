"""A small application that schedules calls, and runs by itself.

Served by the tests' own process, and as ``later_app.py:app`` by processes that are killed.
"""

import asyncio
import os
from datetime import datetime
from typing import Any

from pydantic import BaseModel, SecretStr

from schemas.document import Document
from server.app import create_app
from server.runtime import (
    ActionCtx,
    Caller,
    Conflict,
    Find,
    Forbidden,
    MutationCtx,
    QueryCtx,
    action,
    every,
    mutation,
    query,
)


class Mark(Document, collection="marks", indexes=[("of",)]):
    """Something was done, once for each time."""

    of: str
    by: str = ""
    process: int = 0


class Place(BaseModel):
    name: str
    since: datetime | None = None


class Gate:
    """Holds a function back until the test lets it go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.starts = 0


gates: dict[str, Gate] = {}
failures: list[Exception] = []
"""What the next calls of `fails` and `stumbles` raise."""


@query
def marks(ctx: QueryCtx, of: str) -> Find[Mark]:
    return ctx.find(Mark, {"of": of})


@mutation(internal=True)
async def mark(ctx: MutationCtx, of: str, caller: Caller) -> None:
    await ctx.insert(Mark(of=of, by=caller.id, process=os.getpid()))


@action(internal=True)
async def mark_slowly(ctx: ActionCtx, of: str) -> None:
    await ctx.run_mutation(mark, of=of)
    if of in gates:
        gates[of].starts += 1
        gates[of].reached.set()
        await gates[of].go.wait()
    elif of.startswith("held"):
        await asyncio.Event().wait()


@mutation
async def hold(ctx: MutationCtx, of: str) -> None:
    await ctx.insert(Mark(of=of))
    gates[of].starts += 1
    gates[of].reached.set()
    await gates[of].go.wait()


@mutation
async def stumbles(ctx: MutationCtx, of: str) -> None:
    await ctx.insert(Mark(of=of))
    if failures:
        raise failures.pop()


@action
async def fails(ctx: ActionCtx, of: str) -> None:
    await ctx.insert(Mark(of=of))
    if failures:
        raise failures.pop()


@mutation
async def place(ctx: MutationCtx, of: str, where: Place, tags: set[str] | None = None) -> None:
    assert where.since is not None
    told = f"{where.name} {where.since.isoformat()} {sorted(tags or ())}"
    await ctx.insert(Mark(of=of, by=told))


@mutation
async def sign(ctx: MutationCtx, key: SecretStr | None = None, extra: Any = None) -> None:
    return None


@action
async def anything(ctx: ActionCtx, value: Any) -> None:
    return None


@mutation
async def later(
    ctx: MutationCtx,
    of: str,
    seconds: float = 0,
    function: str = "laterApp.mark",
    fail: str = "",
) -> str:
    id_ = await ctx.scheduler.run_after(seconds, function, of=of)
    match fail:
        case "":
            return id_
        case "conflict":
            raise Conflict("Not now.")
        case _:
            raise Forbidden("Not you.")


@mutation
async def cancel(ctx: MutationCtx, id: str, fail: bool = False) -> bool:  # noqa: A002  # its wire name
    taken_back = await ctx.scheduler.cancel(id)
    if fail:
        raise Forbidden("Not you.")
    return taken_back


@action
async def later_from_an_action(ctx: ActionCtx, of: str, seconds: float = 0) -> str:
    return await ctx.scheduler.run_after(seconds, mark, of=of)


ticks: list[str] = []


@every(seconds=3600)
async def hourly(ctx: ActionCtx) -> None:
    """Something that is done every hour."""
    ticks.append("hourly")


app = create_app(functions=[__name__])
