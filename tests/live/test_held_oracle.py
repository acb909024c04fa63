"""Held documents, kept current from update events, against MongoDB itself."""

import os
import random
from typing import Any

import pytest
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from schemas.document import Document
from schemas.shape import shape_of
from schemas.streamed_text import StreamedText
from server.feed.change_stream import ChangeStream
from server.live.find import thaw
from server.live.held import Held, Unappliable
from server.live.ordering import bson_key
from server.live.patching import diff
from server.live.projection import show
from tests.live import random_documents
from tests.sse import apply_patch

SEED = int(os.environ.get("HEADWATER_SEED", "20261122"))
UPDATES = 20_000 if os.environ.get("HEADWATER_FUZZ") else 900


class Anything(Document, collection="anything"):
    """Documents with any values in three fields, one of which should be a streamed text."""

    a: Any = None
    b: Any = None
    c: StreamedText = ""
    ax: Any = None
    bx: Any = None
    cx: Any = None


@pytest.mark.fuzz
async def test_a_held_document_equals_the_stored_one_after_every_update(
    mongo_uri: str,
) -> None:
    print(f"HEADWATER_SEED={SEED}")
    rng = random.Random(SEED)
    shape = shape_of(Anything)
    auto = DatetimeConversion.DATETIME_AUTO
    codec = CodecOptions[dict[str, Any]](tz_aware=True, datetime_conversion=auto)
    async with AsyncMongoClient[dict[str, Any]](mongo_uri, w="majority") as client:
        database = client.get_database("held_oracle", codec)
        await database.drop_collection("anything")
        collection = await database.create_collection("anything")
        stream = ChangeStream(database, ["anything"])
        await stream.open()
        held: dict[Any, Held] = {}
        shown: dict[Any, Any] = {}
        wanted: list[tuple[Any, dict[str, Any]]] = []
        unappliable = 0
        for number in range(UPDATES):
            id_ = number % 40
            if number < 40 or rng.random() < 0.02:
                make = random_documents.growing if id_ % 2 else random_documents.document
                new = make(rng, id_)
                await collection.replace_one({"_id": id_}, new, upsert=True)
            else:
                try:
                    change = (
                        random_documents.growth if rng.random() < 0.7 else random_documents.update
                    )
                    await collection.update_one({"_id": id_}, change(rng))
                except OperationFailure:
                    continue
            found = await collection.find_one({"_id": id_})
            assert found is not None
            wanted.append((id_, found))
            if len(wanted) < 100 and number < UPDATES - 1:
                continue
            # The events of the last hundred updates: apply them all, then compare.
            await collection.replace_one({"_id": "mark"}, {"number": number}, upsert=True)
            finals, marked = dict(wanted), False
            while not marked:
                batch = await stream.next()
                for event in (event for group in batch.groups for event in group.events):
                    if event.id == "mark":
                        marked = True
                        continue
                    if event.document is not None:
                        held[event.id] = Held.of(event.document, shape)
                    else:
                        assert event.changes is not None
                        before = held[event.id]
                        try:
                            held[event.id] = before.changed(event.changes)
                        except Unappliable:
                            unappliable += 1
                            del held[event.id]
                            continue
                        new_shown = held[event.id].shown
                        patch = diff(before.shown, new_shown)
                        assert apply_patch(plain(before.shown), plain(patch)) == plain(new_shown)
            for id_, final in finals.items():
                if id_ not in held:
                    held[id_] = Held.of(final, shape)
                raw = thaw(held[id_].raw)
                assert bson_key(raw) == bson_key(_ordered_like(final, raw)), (SEED, id_, raw, final)
                fresh = show(Held.of(final, shape).raw, shape)
                assert plain(held[id_].shown) == plain(fresh)
                shown[id_] = fresh
            wanted.clear()
        await stream.close()
        await client.drop_database("held_oracle")
    assert unappliable < UPDATES / 100
    assert len(shown) == 40


def plain(value: Any) -> Any:
    """A shown value as a client has it: texts are strings."""
    import orjson

    from server.live.held import encode

    return orjson.loads(encode(value))


def _ordered_like(final: Any, raw: Any) -> Any:
    """`final` with its fields in the order of `raw`: an event does not tell a new field's place."""
    if isinstance(final, dict) and isinstance(raw, dict):
        names = [*(name for name in raw if name in final), *(n for n in final if n not in raw)]
        return {name: _ordered_like(final[name], raw.get(name)) for name in names}
    if isinstance(final, list) and isinstance(raw, list):
        return [
            _ordered_like(item, raw[i] if i < len(raw) else None) for i, item in enumerate(final)
        ]
    return final
