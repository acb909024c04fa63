"""An application with every kind of type, for which `headwater codegen` is tried."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from schemas.document import Document, Internal, Part
from schemas.reference import Ref
from schemas.streamed_text import StreamedText
from server.app import create_app
from server.runtime import (
    UNGIVEN,
    ActionCtx,
    Caller,
    Find,
    Get,
    MutationCtx,
    Page,
    QueryCtx,
    action,
    mutation,
    query,
)

BoardId = Annotated[str, Ref("boards")]
OrderId = Annotated[str, Ref("orders")]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(Part):
    """A part that holds its like."""

    name: str
    below: "list[Leaf]" = Field(default_factory=lambda: list[Leaf]())


class Place(NamedTuple):
    row: int
    column: int


class Card(Document, collection="cards"):
    """A card; it ends no comment: */ export const broken = 1; /* and goes on.

    Attributes:
        board_id: Not told to TypeScript.
    """

    board_id: BoardId
    follows: Annotated[str, Ref("cards")] | None = None
    order: OrderId | None = None
    colour: Colour = Colour.RED
    level: Literal[1, 2, "top", True, None] = 1
    text: StreamedText = ""
    due: datetime | None = None
    size: tuple[int, float] = (1, 1.5)
    row: tuple[str, ...] = ()
    tags: set[str] = Field(default_factory=set)
    counts: dict[Literal["seen", "kept"], int] = Field(default_factory=dict)
    leaf: Leaf | None = None
    odd: Annotated[Any, Field(alias="odd-name")] = None
    secret: Annotated[str | None, Internal()] = None


class Board(Document, collection="boards"):
    title: str
    cards: list[Annotated[str, Ref("cards")]] = Field(default_factory=list)


class Record(BaseModel):
    """Called like a type of TypeScript's."""

    model_config = ConfigDict(extra="allow")

    at: Place


class Doc(BaseModel):
    """Called like one of ours."""

    text: str


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    content: T


@query
def cards(ctx: QueryCtx, board_id: BoardId, limit: int = 50) -> Find[Card]:
    """The cards of a board.

    Newest first.

    Args:
        ctx: Not told.
        board_id: Nor this.
        limit: Nor that.
    """
    return ctx.find(Card, {"boardId": board_id}, limit=limit)


@query
def card(ctx: QueryCtx, card_id: Annotated[str, Ref("cards")]) -> Get[Card]:
    return ctx.get(Card, card_id)


@query
def pages(ctx: QueryCtx, size: int = 10, after: str | None = None) -> Page[Board]:
    return ctx.page(Board, sort=[("_id", 1)], size=size, after=after)


@query
def panel(ctx: QueryCtx) -> dict[str, Find[Card]]:
    return {"all": ctx.find(Card)}


@query
async def count(ctx: QueryCtx, caller: Caller) -> int:
    return await ctx.count(Card, {"boardId": caller.id})


@query
async def odd(ctx: QueryCtx) -> tuple[Record, Doc, Box[int]]:
    raise NotImplementedError


@query
async def unsaid(ctx: QueryCtx):  # type: ignore[no-untyped-def]
    return None


@query(internal=True)
def hidden(ctx: QueryCtx) -> Find[Card]:
    return ctx.find(Card)


@mutation
async def add(
    ctx: MutationCtx,
    board_id: BoardId,
    place: Place,
    pair: tuple[int, str],
    leaf: Leaf | None = UNGIVEN,
    due: datetime | None = None,
    colours: list[Colour] | None = None,
) -> Card:
    raise NotImplementedError


@mutation
async def put(ctx: MutationCtx, card: Card) -> None:
    raise NotImplementedError


@action
async def delete(ctx: ActionCtx, anything: Any) -> Box[Card]:  # its name is a word of JavaScript's
    raise NotImplementedError


app = create_app(functions=[__name__])
