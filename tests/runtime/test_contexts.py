"""Reading and writing through a context, on a real MongoDB."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from schemas.document import Document
from schemas.streamed_text import StreamedText
from server.core.errors import Conflict, NotFound
from server.runtime import ANONYMOUS, Catalog, MutationCtx
from server.runtime.explain import explained
from server.runtime.scheduler import Scheduling
from server.runtime.write_context import WriteCtx
from server.store.collections import ensure
from server.store.connection import connect_client, database_name
from server.store.writes import Writes
from tests import board
from tests.board import Author, Guest, Member, Mood, Note

MISSING = "0" * 24
LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)


class Odd(Document, collection="odd"):
    """Values that Python has and BSON has not."""

    mood: Mood | None = None
    uuid: UUID | None = None
    pair: tuple[int, int] = (0, 0)
    tags: frozenset[str] = frozenset()
    at: datetime | None = None
    anything: Any = None


@pytest.fixture
async def database(database_uri: str) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    client = await connect_client(database_uri)
    database = client[database_name(database_uri)]
    await ensure(database, [Note, Guest, Member, Odd])
    yield database
    await client.close()


@pytest.fixture
def ctx(database: AsyncDatabase[dict[str, Any]]) -> WriteCtx:
    return WriteCtx(Writes(database).single, Scheduling(Catalog([board])), ANONYMOUS)


async def old_note(ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]], **fields: Any) -> Note:
    """A note that was last updated long ago."""
    note = await ctx.insert(Note(topic="t", **fields))
    await database.notes.update_one({"_id": note.id}, {"$set": {"updatedAt": LONG_AGO}})
    return note


# --- insert ---------------------------------------------------------------------------------------


async def test_insert_gives_back_what_is_stored(
    ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]]
) -> None:
    given = Note(topic="t", tags={"x"}, author=Author(name="Ada", token="hush"), body="abc")
    inserted = await ctx.insert(given)
    assert inserted == await ctx.get(Note, given.id)
    stored = await database.notes.find_one({"_id": given.id})
    assert stored is not None
    assert stored["mood"] == "calm"
    assert stored["tags"] == ["x"]
    assert stored["body"] == ["abc"]
    assert stored["author"] == {"name": "Ada", "token": "hush"}
    assert "slug" not in stored, "what was never set is not stored"
    assert stored["createdAt"] == inserted.created_at


async def test_an_id_that_is_taken_is_a_conflict(ctx: WriteCtx) -> None:
    note = await ctx.insert(Note(topic="t", slug="s"))
    for again, key in ((Note(id=note.id, topic="t"), "_id"), (Note(topic="t", slug="s"), "slug")):
        with pytest.raises(Conflict, match=key), explained("notes.add"):
            await ctx.insert(again)
        with pytest.raises(Conflict, match=key), explained("notes.add"):
            await ctx.insert_many([Note(topic="t"), again])


async def test_insert_many_takes_documents_of_one_table(ctx: WriteCtx) -> None:
    await ctx.insert_many([])
    await ctx.insert_many([Note(topic="a"), Note(topic="b")])
    assert await ctx.count(Note) == 2
    with pytest.raises(ValueError, match="one table"):
        await ctx.insert_many([Note(topic="a"), Member(room="b")])
    assert await ctx.count(Note) == 2
    assert await ctx.count(Member) == 0


async def test_python_values_are_stored_and_come_back(ctx: WriteCtx) -> None:
    paris = timezone(timedelta(hours=2))
    uuid = UUID(int=5)
    odd = Odd(
        mood=Mood.LOUD,
        uuid=uuid,
        pair=(1, 2),
        tags=frozenset({"a"}),
        at=datetime(2026, 1, 1, 12, 0, 0, 123_999, tzinfo=paris),
        anything={"mood": Mood.LOUD, "list": [Author(name="Ada")]},
    )
    inserted = await ctx.insert(odd)
    assert inserted == await ctx.get(Odd, odd.id)
    assert inserted.at == datetime(2026, 1, 1, 10, 0, 0, 123_000, tzinfo=UTC)
    assert inserted.uuid == uuid
    assert inserted.anything == {"mood": "loud", "list": [{"name": "Ada"}]}
    assert [one.id for one in await ctx.find(Odd, {"mood": Mood.LOUD})] == [odd.id]
    assert [one.id for one in await ctx.find(Odd, {"uuid": {"$in": (uuid,)}})] == [odd.id]
    changed = await ctx.update(
        Odd, odd.id, {"$set": {"mood": Mood.CALM, "anything": Author(name="Eve"), "tags": {"b"}}}
    )
    assert (changed.mood, changed.anything, changed.tags) == (Mood.CALM, {"name": "Eve"}, {"b"})
    assert await ctx.replace(odd) == await ctx.get(Odd, odd.id)


# --- update ---------------------------------------------------------------------------------------


async def test_update_gives_back_the_document_and_its_new_time(
    ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]]
) -> None:
    note = await old_note(ctx, database)
    updated = await ctx.update(Note, note.id, {"$inc": {"likes": 2}, "$set": {"text": "x"}})
    assert (updated.likes, updated.text, updated.created_at) == (2, "x", note.created_at)
    assert updated.updated_at > LONG_AGO
    assert updated == await ctx.get(Note, note.id)


async def test_an_update_may_be_a_pipeline(
    ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]]
) -> None:
    note = await old_note(ctx, database, likes=3)
    updated = await ctx.update(Note, note.id, [{"$set": {"likes": {"$add": ["$likes", 1]}}}])
    assert updated.likes == 4
    assert updated.updated_at > LONG_AGO


async def test_an_update_may_set_its_own_time(ctx: WriteCtx) -> None:
    note = await ctx.insert(Note(topic="t"))
    updated = await ctx.update(Note, note.id, {"$set": {"updatedAt": LONG_AGO}})
    assert updated.updated_at == LONG_AGO
    stamped = await ctx.update(
        Note, note.id, {"$currentDate": {"due": True}, "$set": {"text": "x"}}
    )
    assert stamped.due is not None
    assert stamped.updated_at > LONG_AGO


async def test_a_missing_document_is_not_found(ctx: WriteCtx) -> None:
    with pytest.raises(NotFound, match=f"Note '{MISSING}'"):
        await ctx.update(Note, MISSING, {"$set": {"text": "x"}})
    with pytest.raises(NotFound):
        await ctx.delete(Note, MISSING)
    with pytest.raises(NotFound):
        await ctx.replace(Note(id=MISSING, topic="t"))
    assert await ctx.get(Note, MISSING) is None
    assert await ctx.count(Note) == 0


async def test_update_one_tells_whether_its_fence_held(
    ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]]
) -> None:
    note = await old_note(ctx, database)
    fence = {"_id": note.id, "likes": 0}
    assert await ctx.update_one(Note, fence, {"$inc": {"likes": 1}}) is True
    assert await ctx.update_one(Note, fence, {"$inc": {"likes": 1}}) is False
    found = await ctx.get(Note, note.id)
    assert found is not None
    assert (found.likes, found.updated_at > LONG_AGO) == (1, True)


async def test_append_touches_nothing_but_the_text(
    ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]]
) -> None:
    note = await old_note(ctx, database, body="a")
    before = await database.notes.find_one({"_id": note.id})
    assert await ctx.append(Note, {"_id": note.id}, {"body": "b"}) is True
    assert await ctx.append(Note, {"_id": note.id, "likes": 9}, {"body": "c"}) is False
    after = await database.notes.find_one({"_id": note.id})
    assert before is not None
    assert after == before | {"body": ["a", "b"]}
    found = await ctx.get(Note, note.id)
    assert found is not None
    assert found.body == "ab"


async def test_replace_leaves_nothing_of_the_old_document_but_its_id(
    ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]]
) -> None:
    note = await old_note(ctx, database, slug="s", likes=4)
    replaced = await ctx.replace(
        Note(id=note.id, topic="new", created_at=note.created_at, updated_at=LONG_AGO)
    )
    assert replaced == await ctx.get(Note, note.id)
    assert (replaced.topic, replaced.slug, replaced.likes) == ("new", None, 0)
    assert replaced.created_at == note.created_at
    assert replaced.updated_at > LONG_AGO


async def test_many_are_updated_and_deleted_at_once(
    ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]]
) -> None:
    for topic in "aab":
        await ctx.insert(Note(topic=topic))
    await database.notes.update_many({}, {"$set": {"updatedAt": LONG_AGO}})
    assert await ctx.update_many(Note, {"topic": "a"}, {"$inc": {"likes": 1}}) == 2
    assert await ctx.count(Note, {"updatedAt": LONG_AGO}) == 1
    with pytest.raises(ValueError, match="from 1 up"):
        await ctx.delete_many(Note, {"likes": 1}, limit=0)
    assert await ctx.delete_many(Note, {"likes": 1}, limit=1) == 1
    assert await ctx.delete_many(Note, {"likes": 1}, limit=5) == 1
    assert await ctx.delete_many(Note, {"likes": 1}, limit=5) == 0
    assert [note.topic for note in await ctx.find(Note)] == ["b"]
    assert await ctx.delete_many(Note, {"likes": 1}) == 0


async def test_delete_takes_one(ctx: WriteCtx) -> None:
    one, two = await ctx.insert(Note(topic="t")), await ctx.insert(Note(topic="t"))
    await ctx.delete(Note, one.id)
    assert [note.id for note in await ctx.find(Note)] == [two.id]


# --- find -----------------------------------------------------------------------------------------


async def test_limit_counts_from_the_start_and_last_from_the_end(ctx: WriteCtx) -> None:
    for likes in (2, 1, 3):
        await ctx.insert(Note(topic="t", likes=likes))

    async def likes_of(**bounds: Any) -> list[int]:
        found = await ctx.find(Note, {"topic": "t"}, sort=[("likes", 1)], **bounds)
        return [note.likes for note in found]

    assert await likes_of() == [1, 2, 3]
    assert await likes_of(limit=2) == [1, 2]
    assert await likes_of(last=2) == [2, 3]
    with pytest.raises(ValueError, match="not both"):
        await likes_of(limit=1, last=1)
    with pytest.raises(ValueError, match="from 1 up"):
        await likes_of(limit=0)


async def test_fields_narrow_what_is_read(ctx: WriteCtx) -> None:
    await ctx.insert(Note(topic="t", text="long", likes=3))
    (note,) = await ctx.find(Note, fields=["likes"])
    assert note.likes == 3
    assert note.model_fields_set == {"id", "likes"}


# --- misspelt fields ------------------------------------------------------------------------------


async def test_a_misspelt_field_raises_wherever_it_is_written(ctx: WriteCtx) -> None:
    note = await ctx.insert(Note(topic="t"))
    wrong: dict[str, Any] = {"created_at": LONG_AGO}
    calls = [
        lambda: ctx.find(Note, wrong),
        lambda: ctx.find(Note, {"$or": [{"topic": "t"}, wrong]}),
        lambda: ctx.find(Note, sort=[("created_at", 1)]),
        lambda: ctx.find(Note, fields=["created_at"]),
        lambda: ctx.count(Note, wrong),
        lambda: ctx.update(Note, note.id, {"$set": wrong}),
        lambda: ctx.update(Note, note.id, {"$unset": {"created_at": ""}}),
        lambda: ctx.update(Note, note.id, [{"$set": wrong}]),
        lambda: ctx.update(Note, note.id, [{"$unset": "created_at"}]),
        lambda: ctx.update_one(Note, wrong, {"$set": {"text": "x"}}),
        lambda: ctx.update_many(Note, wrong, {"$set": {"text": "x"}}),
        lambda: ctx.update_many(Note, {}, {"$set": wrong}),
        lambda: ctx.delete_many(Note, wrong),
        lambda: ctx.append(Note, {"_id": note.id}, {"boddy": "x"}),
    ]
    for number, call in enumerate(calls):
        with pytest.raises(ValueError, match="has no field") as caught:
            await call()
        assert "createdAt" in str(caught.value), number
    assert await ctx.get(Note, note.id) == note


async def test_a_sort_that_is_no_pairs_is_refused_with_the_cure(ctx: WriteCtx) -> None:
    wrong: list[Any] = [("topic", 1), "topic", ["topic"], [("topic", "desc")], [("topic", 0)]]
    for sort in wrong:
        for read in (ctx.find, ctx.page):
            with pytest.raises(ValueError, match=r'such as \[\("createdAt", -1\)\]'):
                read(Note, sort=sort)


async def test_an_update_without_operators_is_refused_with_the_cure(ctx: WriteCtx) -> None:
    note = await ctx.insert(Note(topic="t"))
    for update in ({}, {"text": "x"}, {"$set": {"text": "x"}, "likes": 1}):
        with pytest.raises(ValueError, match=r"ctx\.replace"):
            await ctx.update(Note, note.id, update)
    assert await ctx.get(Note, note.id) == note


# --- ObjectIds ------------------------------------------------------------------------------------


async def test_a_table_of_object_ids_speaks_hex(
    ctx: WriteCtx, database: AsyncDatabase[dict[str, Any]]
) -> None:
    theirs = ObjectId()
    await database.guests.insert_one(
        {"_id": theirs, "name": "Ada", "createdAt": LONG_AGO, "updatedAt": LONG_AGO}
    )
    ours = await ctx.insert(Guest(name="Eve"))
    assert {type(one["_id"]) async for one in database.guests.find()} == {ObjectId}
    ada = await ctx.get(Guest, str(theirs))
    assert ada is not None
    assert (ada.id, ada.name) == (str(theirs), "Ada")
    assert await ctx.get(Guest, ours.id) == ours
    assert (await ctx.update(Guest, ours.id, {"$set": {"name": "Eva"}})).name == "Eva"
    assert (await ctx.replace(Guest(id=ours.id, name="Evi"))).id == ours.id
    assert await ctx.update_one(Guest, {"_id": ours.id}, {"$set": {"name": "Evo"}}) is True
    await ctx.delete(Guest, ours.id)
    assert await database.guests.count_documents({}) == 1


async def test_ids_are_found_under_operators_too(ctx: WriteCtx) -> None:
    one, two, three = [await ctx.insert(Guest(name=name)) for name in "abc"]
    for query, expected in [
        ({"_id": {"$in": [one.id, two.id]}}, "ab"),
        ({"_id": {"$nin": [one.id, two.id]}}, "c"),
        ({"_id": {"$ne": one.id}}, "bc"),
        ({"_id": {"$not": {"$eq": one.id}}}, "bc"),
        ({"$or": [{"_id": one.id}, {"name": "c"}]}, "ac"),
        ({"$and": [{"$nor": [{"_id": three.id}]}, {"name": {"$ne": "a"}}]}, "b"),
        ({"_id": {"$exists": True}}, "abc"),
    ]:
        found = await ctx.find(Guest, query, sort=[("name", 1)])
        assert "".join(guest.name for guest in found) == expected, query


async def test_an_id_that_is_no_object_id_is_not_found(ctx: WriteCtx) -> None:
    assert await ctx.get(Guest, "ada") is None
    assert await ctx.get(Guest, "") is None
    with pytest.raises(NotFound):
        await ctx.delete(Guest, "ada")


def test_an_index_on_a_field_that_is_not_there_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="no field for its index on 'owner_id'"):

        class Snake(Document, collection="snakes", indexes=[("owner_id",)]):
            owner_id: str

    with pytest.raises(TypeError, match="a tuple of stored names"):

        class Letters(Document, collection="letters", indexes=["board"]):  # type: ignore[list-item]
            board: str


async def test_misuse_of_a_context_says_what_to_use() -> None:
    class Page(Document, collection="pages"):
        title: str
        text: StreamedText = ""

    def no_session() -> Any:
        raise AssertionError("nothing gets as far as a session")

    ctx = MutationCtx(no_session, Scheduling(Catalog([board])), ANONYMOUS)
    with pytest.raises(ValueError, match="A filter is a dict"):
        await ctx.append(Page, "some-id", {"text": "x"})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no StreamedText at 'title'"):
        await ctx.append(Page, {"_id": "x"}, {"title": "x"})
    for fields, now in (({"titel": "x"}, []), ({}, ["seen"])):
        with pytest.raises(ValueError, match="in set_latest"):
            await ctx.set_latest(Page, {"_id": "x"}, fields, now=now, otherwise=no_session)
    with pytest.raises(ValueError, match="declare it as a datetime"):
        ctx.find(Page, within=("title", 1_000))
    ctx.find(Page, within=("createdAt", 1_000))
    with pytest.raises(ValueError, match="is a string"):
        ctx.get(Page, {"_id": "x"})  # type: ignore[arg-type]
