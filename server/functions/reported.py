"""Documents that an executor reports, under ids of its own so that it may report them again."""

from typing import Annotated, TypeVar

from pydantic import Field

from schemas.document import Document
from server.runtime import Conflict, MutationCtx

__all__ = ["OwnId", "report"]

D = TypeVar("D", bound=Document)

OwnId = Annotated[str, Field(min_length=1, max_length=200)]
"""Chosen by who reports, once for each report; fresh where it is absent."""


async def report(ctx: MutationCtx, document: D, own_id: str | None, *compared: str) -> D:
    """Insert a document under `own_id`; gives the one that is stored.

    Args:
        ctx: Whose transaction.
        document: What is reported.
        own_id: Its id, or None for a fresh one.
        compared: The Python names of the fields that tell whether another report said the same.

    Raises:
        Conflict: The id was used for something else.
    """
    if own_id is None:
        return await ctx.insert(document)
    table = type(document)
    known = await ctx.get(table, own_id)
    if known is None:
        return await ctx.insert(document.model_copy(update={"id": own_id}))
    if any(getattr(known, name) != getattr(document, name) for name in compared):
        raise Conflict(
            f"The {table.__name__} {own_id!r} says something else; choose another id for this one."
        )
    return known
