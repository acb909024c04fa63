"""The application under the checker: accounts between which amounts move, and a book of it.

Every write has an id. A transfer writes two accounts and one entry in one transaction; the entry
says which version each account has from then on, and an account says which write made it so.
"""

from typing import Any

from pydantic import Field

from schemas.document import Document
from server.app import create_app
from server.runtime import Find, MutationCtx, QueryCtx, mutation, query


class Account(Document, collection="accounts", indexes=[("run", "rank")]):
    run: str
    rank: int
    side: str = "left"
    amount: int = 0
    version: int = 0
    writer: str = ""


class Entry(Document, collection="entries", indexes=[("run", "number")]):
    run: str
    number: int
    versions: dict[str, int] = Field(default_factory=dict)


@query
def everything(ctx: QueryCtx, run: str) -> Find[Account]:
    return ctx.find(Account, {"run": run}, sort=[("rank", 1)])


@query
def side(ctx: QueryCtx, run: str, side: str) -> Find[Account]:
    return ctx.find(Account, {"run": run, "side": side}, sort=[("rank", 1)])


@query
def richest(ctx: QueryCtx, run: str) -> Find[Account]:
    return ctx.find(Account, {"run": run}, sort=[("amount", -1)], limit=3)


@query
def book(ctx: QueryCtx, run: str) -> Find[Entry]:
    return ctx.find(Entry, {"run": run}, sort=[("number", 1)])


@query
async def total(ctx: QueryCtx, run: str) -> dict[str, int]:
    """Awaited: it is run again, where the others are maintained."""
    accounts = await ctx.find(Account, {"run": run}, fields=["amount"])
    entries = await ctx.count(Entry, {"run": run})
    return {"amount": sum(one.amount for one in accounts), "entries": entries}


@mutation
async def transfer(
    ctx: MutationCtx, run: str, write: str, number: int, source: str, target: str, amount: int
) -> dict[str, int]:
    """Move `amount`, and `target` to the other side."""
    versions: dict[str, int] = {}
    for account, sign in ((source, -1), (target, 1)):
        known = await ctx.get(Account, account)
        assert known is not None
        changes: dict[str, Any] = {"writer": write}
        if account == target:
            changes["side"] = "right" if known.side == "left" else "left"
        update = {"$inc": {"amount": sign * amount, "version": 1}, "$set": changes}
        versions[account] = (await ctx.update(Account, account, update)).version
    await ctx.insert(Entry(id=write, run=run, number=number, versions=versions))
    return versions


@mutation(transaction=False)
async def touch(ctx: MutationCtx, write: str, account: str) -> int:
    """One write: a new version, and nothing else."""
    update = {"$inc": {"version": 1}, "$set": {"writer": write}}
    return (await ctx.update(Account, account, update)).version


app = create_app(functions=[__name__])
