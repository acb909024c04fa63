"""Users."""

from typing import Annotated

from pydantic import Field

from schemas.users import User
from server.runtime import UNGIVEN, Get, MutationCtx, QueryCtx, mutation, query

__all__ = ["get", "upsert"]

UserId = Annotated[str, Field(min_length=1, max_length=200)]


@query
def get(ctx: QueryCtx, user_id: Annotated[str, Field(max_length=200)]) -> Get[User]:
    """One user, or null."""
    return ctx.get(User, user_id)


@mutation
async def upsert(
    ctx: MutationCtx,
    user_id: UserId,
    name: Annotated[str, Field(min_length=1, max_length=200)],
    email: Annotated[str, Field(max_length=320)] | None = UNGIVEN,
    image: Annotated[str, Field(max_length=20_000)] | None = UNGIVEN,
) -> User:
    """Write a user down, or change what is given of one; an email or image of null is none."""
    given = {"name": name, "email": email, "image": image}
    changes = {field: value for field, value in given.items() if value is not UNGIVEN}
    if await ctx.get(User, user_id) is None:
        return await ctx.insert(
            User(id=user_id, name=name, email=changes.get("email"), image=changes.get("image"))
        )
    return await ctx.update(User, user_id, {"$set": changes})
