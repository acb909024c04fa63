"""Users."""

from typing import Annotated

from pydantic import Field

from schemas.users import User
from server.runtime import Get, MutationCtx, QueryCtx, mutation, query

__all__ = ["get", "upsert"]


@query
def get(ctx: QueryCtx, user_id: str) -> Get[User]:
    """One user, or null."""
    return ctx.get(User, user_id)


@mutation
async def upsert(
    ctx: MutationCtx,
    user_id: Annotated[str, Field(min_length=1, max_length=200)],
    name: Annotated[str, Field(min_length=1, max_length=200)],
    email: str | None = None,
    image: str | None = None,
) -> User:
    """Write a user down, or change what is given of one."""
    known = await ctx.get(User, user_id)
    if known is None:
        return await ctx.insert(User(id=user_id, name=name, email=email, image=image))
    given = {"name": name, "email": email, "image": image}
    changes = {field: value for field, value in given.items() if value is not None}
    return await ctx.update(User, user_id, {"$set": changes})
