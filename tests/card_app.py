"""An application of both kinds of query, for tests."""

from typing import Any

from pydantic import Field

from schemas.document import Document, Index
from schemas.streamed_text import StreamedText
from server.runtime import Find, Forbidden, Get, MutationCtx, QueryCtx, mutation, query


class Card(
    Document,
    collection="cards",
    indexes=[("group", "rank"), Index(("slug",), partial={"slug": {"$exists": True}})],
):
    group: str
    rank: int = 0
    done: bool = False
    text: StreamedText = ""
    tags: list[str] = Field(default_factory=list)
    slug: str | None = None


class Member(Document, collection="members"):
    allowed: bool = True


@query
def cards(ctx: QueryCtx, group: str) -> Find[Card]:
    return ctx.find(Card, {"group": group}, sort=[("rank", 1)])


@query
def top(ctx: QueryCtx, group: str, limit: int = 5) -> Find[Card]:
    return ctx.find(Card, {"group": group, "done": False}, sort=[("rank", -1)], limit=limit)


@query
def newest(ctx: QueryCtx, group: str) -> Find[Card]:
    return ctx.find(Card, {"group": group}, sort=[("rank", 1)], last=4)


@query
def both(ctx: QueryCtx, group: str) -> dict[str, Any]:
    return {
        "done": ctx.find(Card, {"group": group, "done": True}, fields=["rank", "done"]),
        "tagged": ctx.find(
            Card, {"tags": "red"}, view=lambda card: {"_id": card.id, "t": card.text}
        ),
        "group": group,
    }


@query
def judged(ctx: QueryCtx, group: str) -> Find[Card]:
    """Only MongoDB can judge this filter."""
    return ctx.find(Card, {"group": group, "$expr": {"$gt": ["$rank", 50]}}, sort=[("rank", 1)])


@query
async def counted(ctx: QueryCtx, group: str) -> dict[str, int]:
    return {
        "all": await ctx.count(Card, {"group": group}),
        "done": await ctx.count(Card, {"group": group, "done": True}),
    }


@query
async def ranks(ctx: QueryCtx, group: str) -> list[int]:
    found = await ctx.find(Card, {"group": group}, sort=[("rank", 1)], fields=["rank"])
    return [card.rank for card in found]


@query
async def guarded(ctx: QueryCtx, member: str, group: str) -> Find[Card]:
    known = await ctx.get(Member, member)
    if known is None or not known.allowed:
        raise Forbidden("You may not see these cards.")
    return ctx.find(Card, {"group": group}, sort=[("rank", 1)])


@query
def card(ctx: QueryCtx, card_id: str) -> Get[Card]:
    return ctx.get(Card, card_id)


@mutation
async def add(ctx: MutationCtx, group: str, rank: int = 0, text: str = "") -> Card:
    return await ctx.insert(Card(group=group, rank=rank, text=text))


@mutation
async def allow(ctx: MutationCtx, member: str, allowed: bool) -> None:
    if await ctx.get(Member, member) is None:
        await ctx.insert(Member(id=member, allowed=allowed))
    else:
        await ctx.update(Member, member, {"$set": {"allowed": allowed}})
