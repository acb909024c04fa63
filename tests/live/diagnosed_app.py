"""A small application with a query for each way in which a result is kept current."""

from typing import Any

from pydantic import BaseModel, SecretStr

from schemas.document import Document
from server.runtime import Caller, Find, Forbidden, MutationCtx, QueryCtx, mutation, query


class Place(Document, collection="places"):
    town: str
    size: int = 0
    budget: int = 0
    at: list[float] | None = None


class Login(BaseModel):
    user: str
    word: SecretStr


@query
def in_town(ctx: QueryCtx, town: str, limit: int = 3) -> Find[Place]:
    return ctx.find(Place, {"town": town}, sort=[("size", -1)], limit=limit)


@query
def over_budget(ctx: QueryCtx, town: str) -> Find[Place]:
    return ctx.find(Place, {"town": town, "$expr": {"$gt": ["$size", "$budget"]}})


@query
def random_third(ctx: QueryCtx) -> Find[Place]:
    return ctx.find(Place, {"$expr": {"$lt": [{"$rand": {}}, 0.3]}})


@query
async def how_many(ctx: QueryCtx, town: str) -> int:
    return await ctx.count(Place, {"town": town})


@query
async def about(ctx: QueryCtx, town: str) -> dict[str, Any]:
    await ctx.find(Place, {"town": town}, fields=["size"])
    return {"places": ctx.find(Place, {"town": town}), "names": ["a", "b"]}


@query
def motto(ctx: QueryCtx) -> str:
    return "Onward."


@query
async def refused(ctx: QueryCtx, town: str) -> None:
    await ctx.count(Place, {"town": town})
    raise Forbidden("Not you.")


@query
async def mine(ctx: QueryCtx, caller: Caller) -> int:
    return await ctx.count(Place, {"town": caller.id})


@query
async def guarded(
    ctx: QueryCtx,
    town: str,
    api_keys: dict[str, str] | None = None,
    login: Login | None = None,
    code: SecretStr | None = None,
    extra: Any = None,
) -> int:
    return await ctx.count(Place, {"town": town})


@mutation
async def found(ctx: MutationCtx, town: str, size: int = 0, budget: int = 0) -> Place:
    return await ctx.insert(Place(town=town, size=size, budget=budget))


@mutation
async def grow(ctx: MutationCtx, id: str, by: int) -> Place:  # noqa: A002  # its wire name
    return await ctx.update(Place, id, {"$inc": {"size": by}})


@mutation
async def move(ctx: MutationCtx, id: str, town: str) -> Place:  # noqa: A002  # its wire name
    return await ctx.update(Place, id, {"$set": {"town": town}})


@mutation
async def leave(ctx: MutationCtx, id: str) -> None:  # noqa: A002  # its wire name
    await ctx.delete(Place, id)
