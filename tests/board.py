"""A small application that the tests of `server.web` and `server.runtime` call."""

import asyncio
import sys
from datetime import datetime
from enum import Enum
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr

from schemas.document import Document, Index, Internal, Part
from schemas.streamed_text import StreamedText
from server.runtime import (
    ActionCtx,
    Caller,
    Find,
    Forbidden,
    Get,
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
    indexes=[("topic", "createdAt"), Index(("slug",), unique=True, partial={"slug": {"$type": 2}})],
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
def note(ctx: QueryCtx, id: str) -> Get[Note]:
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
async def like(ctx: MutationCtx, id: str) -> Note:
    return await ctx.update(Note, id, {"$inc": {"likes": 1}})


@mutation(transaction=False)
async def like_alone(ctx: MutationCtx, id: str) -> Note:
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


# --- actions --------------------------------------------------------------------------------------


class Gate:
    """Lets a test hold an action back; a server's process and the test are one."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.starts = 0


gates: dict[str, Gate] = {}


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
    await ctx.insert(Note(topic="worked"))
    return {"phase": "ended", "start": held.starts}


HERE: list[ModuleType] = [sys.modules[__name__]]
"""For ``serving(uri, HERE)``; its functions are called ``board.…``."""
