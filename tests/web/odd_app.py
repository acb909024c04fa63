"""What a database in memory must be asked apart from the board: time, and what it cannot do."""

from datetime import UTC, datetime

from schemas.document import Document
from server.runtime import Find, MutationCtx, QueryCtx, mutation, query


class Sighting(Document, collection="sightings"):
    text: str
    at: datetime


@mutation
async def see(ctx: MutationCtx, text: str) -> Sighting:
    return await ctx.insert(Sighting(text=text, at=datetime.now(UTC)))


@query
def recent(ctx: QueryCtx) -> Find[Sighting]:
    return ctx.find(Sighting, within=("at", 2_000))


@query
def near(ctx: QueryCtx) -> Find[Sighting]:
    return ctx.find(Sighting, {"text": {"$geoWithin": {"$center": [[0, 0], 1]}}})
