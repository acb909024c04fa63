"""A small application that the tests of `server.web` and `server.runtime` call."""

import asyncio
import sys
from datetime import UTC, datetime
from enum import Enum
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr

from schemas.document import Document, Index, Internal, Part
from schemas.streamed_text import StreamedText
from server.runtime import (
    ActionCtx,
    Caller,
    Conflict,
    Find,
    Forbidden,
    Get,
    HeadwaterError,
    MutationCtx,
    QueryCtx,
    action,
    mutation,
    query,
)


class Mood(Enum):
    CALM = "calm"
    LOUD = "loud"


class Author(Part):
    name: str
    token: Annotated[str | None, Internal()] = None


class Note(
    Document,
    collection="notes",
    indexes=[
        ("topic", "createdAt"),
        Index(("slug",), unique=True, partial={"slug": {"$type": "string"}}),
    ],
):
    topic: str
    text: str = ""
    likes: int = 0
    slug: str | None = None
    mood: Mood = Mood.CALM
    tags: set[str] = Field(default_factory=set)
    author: Author | None = None
    due: datetime | None = None
    body: StreamedText = ""
    secret: Annotated[str | None, Internal()] = None


class Guest(Document, collection="guests", object_id=True):
    name: str


class Member(Document, collection="members"):
    room: str


class Tally(BaseModel):
    notes: int
    at: datetime


# --- queries --------------------------------------------------------------------------------------


@query
def notes(ctx: QueryCtx, topic: str, limit: Annotated[int, Field(ge=1, le=100)] = 50) -> Find[Note]:
    """Notes of a topic."""
    return ctx.find(Note, {"topic": topic}, sort=[("createdAt", 1)], limit=limit)


@query
def note(ctx: QueryCtx, id: str) -> Get[Note]:  # noqa: A002  # its wire name
    """One note."""
    return ctx.get(Note, id)


@query
async def tally(ctx: QueryCtx, topic: str, since: datetime | None = None) -> Tally:
    """How many notes a topic has."""
    query = {"topic": topic} | ({"createdAt": {"$gte": since}} if since else {})
    return Tally(notes=await ctx.count(Note, query), at=since or datetime.fromtimestamp(0))


@query
async def liked(ctx: QueryCtx, likes: int) -> int:
    return await ctx.count(Note, {"likes": {"$gte": likes}})


@query
async def anything(ctx: QueryCtx, value: Any = None, extra: dict[str, Any] | None = None) -> Any:
    await ctx.count(Note, {"topic": "none"})
    return {"value": value, "extra": extra}


@query
async def misspelt(ctx: QueryCtx) -> int:
    return await ctx.count(Note, {"topci": "x"})


@query
async def whoami(ctx: QueryCtx, caller: Caller) -> dict[str, Any]:
    return {"id": caller.id, "notes": await ctx.count(Note, {"topic": caller.id})}


@query
async def room(ctx: QueryCtx, name: str, caller: Caller) -> list[Note]:
    """A room's notes, for its members."""
    if not await ctx.find(Member, {"_id": caller.id, "room": name}):
        raise Forbidden(f"{caller.id} is no member of {name}.", details={"room": name})
    return await ctx.find(Note, {"topic": name})


@query
def panel(ctx: QueryCtx, topic: str) -> dict[str, Find[Note]]:
    return {"mine": ctx.find(Note, {"topic": topic}), "liked": ctx.find(Note, {"likes": 1})}


@query
async def latest(ctx: QueryCtx) -> datetime:
    (newest,) = await ctx.find(Note, sort=[("createdAt", 1)], last=1)
    return newest.created_at


class Opaque:
    """What only Python could understand."""


@query
def opaque(ctx: QueryCtx) -> Opaque:
    return Opaque()


@query(internal=True)
def secrets(ctx: QueryCtx) -> Find[Note]:
    return ctx.find(Note)


@query
async def keyed(ctx: QueryCtx, key: SecretStr) -> int:
    return len(key.get_secret_value()) + await ctx.count(Note, {"topic": "none"})


# --- mutations ------------------------------------------------------------------------------------


@mutation
async def add(ctx: MutationCtx, topic: str, text: str = "", slug: str | None = None) -> Note:
    """A new note."""
    return await ctx.insert(Note(topic=topic, text=text, slug=slug))


@mutation
async def like(ctx: MutationCtx, id: str) -> Note:  # noqa: A002  # its wire name
    return await ctx.update(Note, id, {"$inc": {"likes": 1}})


@mutation(transaction=False)
async def like_alone(ctx: MutationCtx, id: str) -> Note:  # noqa: A002  # its wire name
    return await ctx.update(Note, id, {"$inc": {"likes": 1}})


@mutation
async def touch_nothing(ctx: MutationCtx) -> None:
    return None


@mutation
async def join(ctx: MutationCtx, room: str, caller: Caller) -> Member:
    return await ctx.insert(Member(id=caller.id, room=room))


@mutation
async def leave(ctx: MutationCtx, caller: Caller) -> None:
    await ctx.delete(Member, caller.id)


@mutation(internal=True)
async def wipe(ctx: MutationCtx) -> int:
    return await ctx.delete_many(Note, {})


class Gate:
    """Holds a function back until the test lets it go; server and test are one process."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.starts = 0


gates: dict[str, Gate] = {}


@mutation
async def bump(ctx: MutationCtx, id: str, gate: str) -> int:  # noqa: A002  # its wire name
    """Read, wait at the gate, and write what was read plus one."""
    held = gates[gate]
    note = await ctx.get(Note, id)
    assert note is not None
    held.starts += 1
    held.reached.set()
    await held.go.wait()
    return (await ctx.update(Note, id, {"$set": {"likes": note.likes + 1}})).likes


@mutation
async def add_then_raise(ctx: MutationCtx, topic: str, fail: str) -> None:
    await ctx.insert(Note(topic=topic))
    await ctx.insert(Note(topic=topic))
    match fail:
        case "forbidden":
            raise Forbidden("Not you.", details={"when": datetime.fromtimestamp(1, UTC)})
        case "details":
            raise Forbidden("Not you.", details=object())
        case "paywall":
            raise Paywall("Pay first.", details={"price": 5})
        case _:
            raise RuntimeError(fail)


class Paywall(HeadwaterError):
    code, status = "paywall", 402


@mutation
async def add_all(ctx: MutationCtx, topic: str, count: int) -> Find[Note]:
    """Write many at once, as one would with gather, and return a find."""
    await asyncio.gather(*(ctx.insert(Note(topic=topic, likes=n)) for n in range(count)))
    return ctx.find(Note, {"topic": topic}, sort=[("likes", 1)])


@mutation
async def add_or_not(ctx: MutationCtx, slug: str, again: bool = False) -> str:
    """Catches what MongoDB has already ended the transaction for."""
    try:
        await ctx.insert(Note(topic="t", slug=slug))
    except Conflict:
        if again:
            await ctx.insert(Note(topic="t"))
        return "taken"
    return "added"


@mutation(transaction=False)
async def add_or_not_alone(ctx: MutationCtx, slug: str) -> str:
    try:
        await ctx.insert(Note(topic="t", slug=slug))
    except Conflict:
        return "taken"
    return "added"


# --- actions --------------------------------------------------------------------------------------


@action
async def work(ctx: ActionCtx, gate: str, early: bool = True, fail: str = "") -> dict[str, Any]:
    """Respond early if asked to, wait at the gate, and return."""
    held = gates[gate]
    held.starts += 1
    if fail == "start":
        raise RuntimeError("hush: sk-ant-very-secret")
    if early:
        await ctx.respond({"phase": "begun", "start": held.starts})
    held.reached.set()
    await held.go.wait()
    if fail == "end":
        raise RuntimeError("hush: sk-ant-very-secret")
    if fail == "known":
        raise Forbidden("Too late.")
    await ctx.insert(Note(topic="worked"))
    return {"phase": "ended", "start": held.starts}


@action
async def sign(ctx: ActionCtx, topic: str, caller: Caller) -> Note:
    """A mutation that an action runs is for the same caller."""
    await ctx.run_mutation(join, room=topic)
    return await ctx.insert(Note(topic=topic, text=caller.id))


@action
async def respond_with_nonsense(ctx: ActionCtx) -> None:
    await ctx.respond(object())


@action
async def claim_slug(ctx: ActionCtx, slug: str) -> str:
    """Each write of an action stands by itself, and so do its errors."""
    try:
        await ctx.insert(Note(topic="t", slug=slug))
    except Conflict:
        return "taken"
    return "added"


@action
def listing(ctx: ActionCtx, topic: str) -> Find[Note]:
    return ctx.find(Note, {"topic": topic}, view=lambda note: note.text)


HERE: list[ModuleType] = [sys.modules[__name__]]
"""For ``serving(uri, HERE)``; its functions are called ``board.…``."""
