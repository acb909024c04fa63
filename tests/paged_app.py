"""An application with a list that is read page by page, for tests."""

from schemas.document import Document
from server.runtime import MutationCtx, Page, QueryCtx, mutation, query


class Line(Document, collection="lines", indexes=[("book", "number")]):
    book: str
    number: float


@query
def lines(
    ctx: QueryCtx, book: str, size: int = 10, after: str | None = None, until: str | None = None
) -> Page[Line]:
    sort = [("number", 1)]
    return ctx.page(Line, {"book": book}, sort=sort, size=size, after=after, until=until)


@mutation
async def add(ctx: MutationCtx, book: str, numbers: list[float]) -> None:
    await ctx.insert_many([Line(book=book, number=number) for number in numbers])


@mutation
async def remove(ctx: MutationCtx, book: str, numbers: list[float]) -> None:
    await ctx.delete_many(Line, {"book": book, "number": {"$in": numbers}})
