"""`headwater export` and `headwater import`: what goes out comes back, byte for byte."""

import asyncio
import json
import random
import zipfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import bson
import bson.errors
import pytest
from bson import DBRef, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.decimal128 import create_decimal128_context
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import AsyncMongoClient

from server.cli.export import export
from server.cli.importing import import_
from server.core.errors import StartupError
from server.store.connection import database_name
from server.store.export_files import atomic_file
from server.store.extended_json import RAW, Unreadable, from_line, to_line
from tests.command_here import Said, headwater_here
from tests.headwater_command import headwater
from tests.live import random_documents

SEED = 20261126
KILLS = 3
"""Of each command, while it was at its work."""

Client = AsyncMongoClient[Any]


def listed(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []


async def run(*arguments: object, uri: str) -> Said:
    return await headwater_here(*arguments, HEADWATER_MONGODB_URI=uri)


def raw(document: dict[str, Any]) -> RawBSONDocument:
    return RawBSONDocument(bson.encode(document), RAW)


def odd_documents() -> list[RawBSONDocument]:
    """What Extended JSON cannot say, or says in words that a document may hold itself."""
    deprecated = [
        b"\x06a\0",  # undefined
        b"\x0ea\0\x02\0\0\0s\0",  # a symbol
        b"\x0ca\0\x02\0\0\0c\0" + bytes(range(12)),  # a DBPointer
        b"\x01a\0\x01\0\0\0\0\0\xf8\xff",  # a NaN with odd bits
        b"\x10a\0\x01\0\0\0\x10a\0\x02\0\0\0",  # one name twice
        b"\x02a\0\x02\0\0\0\xff\0",  # no UTF-8
        b"\x0ba\0x\0mi\0",  # a regular expression whose options are out of order
    ]
    made = [_with_id(Int64(1000 + number), element) for number, element in enumerate(deprecated)]
    alike: list[dict[str, Any]] = [
        {"$date": "soon"}, {"$numberInt": "7"}, {"$oid": "6" * 24}, {"$bson": "AAAA"},
        {"$regex": "a", "$options": ""}, {"$id": 2, "$ref": "c"}, {"$ref": "c", "$id": 1, "z": 2},
        {"$undefined": True}, {"$minKey": 1}, {"$uuid": "x"}, {"": {"": ""}}, {"a.b": {"$c": 1}},
    ]  # fmt: skip
    return made + [raw({"_id": {"odd": n}, "a": one, "l": [one]}) for n, one in enumerate(alike)]


def _with_id(id_: Any, elements: bytes) -> RawBSONDocument:
    body = bson.encode({"_id": id_})[4:-1] + elements + b"\0"
    return RawBSONDocument((len(body) + 4).to_bytes(4, "little") + body, RAW)


def every_kind(count: int = 120) -> list[RawBSONDocument]:
    """Documents of every BSON type, `_id` included; many alike but for it."""
    rng = random.Random(SEED)
    ids: list[Any] = [
        None, True, 1, 2.5, Int64(2**40), "a", "", ObjectId("6" * 24), b"ab", MinKey(), MaxKey(),
        Timestamp(0, 0), Timestamp(5, 1), {"a": 1, "b": 2}, {"b": 2, "a": 1}, DBRef("c", 1),
        float("nan"), {},
    ]  # fmt: skip
    ids += [f"id {number}" for number in range(count)]
    documents = [raw(random_documents.document(rng, id_)) for id_ in ids]
    empty = [raw({"_id": f"empty {n}", "t": Timestamp(0, 0), "n": n}) for n in range(2)]
    return documents + empty + odd_documents()


async def store(client: Client, database: str, table: str, documents: Iterable[Any]) -> None:
    """As they are: an insert would put the time into empty timestamps."""
    collection = client[database][table]
    for document in documents:
        if Timestamp(0, 0) in document.values():
            whole = [{"$replaceWith": {"$literal": document}}]
            await collection.update_one({"_id": {"$eq": document["_id"]}}, whole, upsert=True)
        else:
            await collection.insert_one(document)


async def contents(client: Client, database: str) -> dict[str, set[bytes]]:
    """Every document of every table, as bytes."""
    found: dict[str, set[bytes]] = {}
    for name in await client[database].list_collection_names():
        collection = client[database].get_collection(name, codec_options=RAW)
        found[name] = {bytes(one.raw) async for one in collection.find()}
    return found


async def test_every_bson_type_comes_back_as_the_bytes_that_it_was(
    database_uri: str, mongo: Client, tmp_path: Path
) -> None:
    name, folder = database_name(database_uri), tmp_path / "out"
    documents = every_kind()
    await store(mongo, name, "things/ä.b", documents)
    await store(mongo, name, "tasks", [raw({"_id": "t", "title": "T"})])
    await store(mongo, name, "headwaterMeta", [raw({"_id": "database", "id": "me"})])
    await mongo[name].create_collection("nothing")
    before = await contents(mongo, name)
    assert before["things/ä.b"] == {bytes(one.raw) for one in documents}

    exported = await run("export", "--to", folder, "--json", uri=database_uri)
    assert exported.code == 0, exported.said
    told = json.loads(exported.stdout[0])["tables"]
    assert {table: one["documents"] for table, one in told.items()} == {
        "nothing": 0, "tasks": 1, "things/ä.b": len(documents)
    }  # fmt: skip
    odd = told["things/ä.b"]["not_plain"]
    assert len(odd_documents()) - 5 < odd < len(documents) / 3
    await mongo.drop_database(name)
    imported = await run("import", folder, "--json", uri=database_uri)
    assert imported.code == 0, imported.said
    assert any("no table of" in line and "things/ä.b" in line for line in imported.stderr)
    del before["headwaterMeta"]  # which tells a database from others
    assert await contents(mongo, name) == before

    again = await run("import", folder, "--json", uri=database_uri)
    (_, _, things) = json.loads(again.stdout[0])["files"]
    assert (things["inserted"], things["replaced"]) == (0, 0)
    assert things["unchanged"] == len(documents)


async def test_calls_that_were_scheduled_are_imported_only_by_name(
    database_uri: str, mongo: Client, tmp_path: Path
) -> None:
    name, calls = database_name(database_uri), "headwaterScheduledCalls"
    await store(mongo, name, "tasks", [{"_id": "t"}])
    await store(mongo, name, calls, [{"_id": "c", "state": "waiting"}])
    assert (await run("export", "--to", tmp_path, uri=database_uri)).code == 0
    await mongo.drop_database(name)
    file = tmp_path / f"{calls}.jsonl"

    imported = await run("import", tmp_path, uri=database_uri)
    assert imported.code == 0
    assert any(f"{calls}.jsonl: left out" in line for line in imported.stderr), imported.said
    assert await contents(mongo, name) == {"tasks": {bson.encode({"_id": "t"})}}
    as_json = await run("import", tmp_path, "--json", uri=database_uri)
    assert json.loads(as_json.stdout[0])["leftOut"] == [str(file)]

    newer = tmp_path / "newer" / "tasks.jsonl"
    newer.parent.mkdir()
    newer.write_text('{"_id": "t", "title": "newer"}\n')
    elsewhere = tmp_path / "newer" / ".." / file.name
    named = await run("import", tmp_path, elsewhere, newer, "--json", uri=database_uri)
    assert json.loads(named.stdout[0])["leftOut"] == []
    last = {bson.encode({"_id": "t", "title": "newer"})}
    assert (await contents(mongo, name))["tasks"] == last, "what is named later comes later"
    assert (await contents(mongo, name))[calls] == {bson.encode({"_id": "c", "state": "waiting"})}


SCALARS = st.one_of(
    st.sampled_from(random_documents.SCALARS),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(),
    st.binary(max_size=20),
    st.builds("{}E{}".format, st.integers(), st.integers(-6000, 6000)).map(
        lambda text: bson.Decimal128(create_decimal128_context().create_decimal(text))
    ),
    st.builds(bson.Int64, st.integers(-(2**63), 2**63 - 1)),
    st.builds(bson.DatetimeMS, st.integers(-(2**63), 2**63 - 1)),
)
NAMES = st.text(max_size=8).filter(lambda name: "\0" not in name) | st.sampled_from(
    ["$date", "$numberLong", "$binary", "$ref", "$id", "$bson", "$regex", "$options", "_id", "a"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_whatever_bson_holds_is_a_line_that_reads_as_the_same_bytes(document: Any) -> None:
    try:
        stored = raw(document)
    except (bson.errors.BSONError, UnicodeEncodeError, OverflowError):
        return  # there is no such document
    line, _ = to_line(stored)
    assert "\n" not in line
    assert from_line(line.encode()).raw == stored.raw


@settings(max_examples=200, deadline=None)
@given(st.text() | VALUES.map(repr) | st.dictionaries(NAMES, st.text()).map(json.dumps))
def test_a_line_is_a_document_or_unreadable(line: str) -> None:
    with suppress(Unreadable):
        assert from_line(line.encode("utf-8", "surrogatepass")).raw


async def test_killed_at_random_moments_and_run_again_it_ends_equal(
    database_uri: str, mongo: Client, tmp_path: Path
) -> None:
    name, folder = database_name(database_uri), tmp_path / "out"
    rng = random.Random(SEED)
    for table in ("a", "b", "c"):
        documents = [raw({"_id": n, "text": "x" * rng.randrange(900)}) for n in range(2_000)]
        await mongo[name][table].insert_many(documents)
    before = await contents(mongo, name)

    async def killed_and_run(progress: Callable[[], Awaitable[object]], *arguments: object) -> Said:
        """Run it until it was killed at its work so often, and then to its end."""
        kills, wait_max = 0, 0.25
        while kills < KILLS:
            was = await progress()
            async with headwater(*map(str, arguments), HEADWATER_MONGODB_URI=database_uri) as one:
                ended = asyncio.create_task(one.ended())
                while not ended.done() and await progress() == was:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                await asyncio.wait([ended], timeout=rng.uniform(0, wait_max))
                with suppress(ProcessLookupError):  # it was quicker
                    one.process.kill()
                if await ended == 0:
                    wait_max /= 2
                    if "import" in arguments:
                        await mongo.drop_database(name)  # so that there is work again
                else:
                    kills += 1
        return await run(*arguments, uri=database_uri)

    async def files_made() -> object:
        return folder.is_dir() and folder.stat().st_mtime_ns

    async def documents_stored() -> object:
        return [await mongo[name][table].estimated_document_count() for table in "abc"]

    exported = await killed_and_run(files_made, "export", "--to", folder)
    assert exported.code == 0, exported.said
    assert not any(one.endswith(".part") for one in listed(folder))
    await mongo.drop_database(name)
    imported = await killed_and_run(documents_stored, "import", folder)
    assert imported.code == 0, imported.said
    assert await contents(mongo, name) == before


def test_a_file_that_is_not_whole_does_not_take_the_old_ones_place(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("old")
    with pytest.raises(TypeError), atomic_file(file) as new:
        new.writelines([b"half", None])  # type: ignore[list-item]  # breaks off
    assert file.read_text() == "old"


async def test_an_interrupted_export_is_not_imported_and_goes_on_with_what_is_missing(
    database_uri: str, mongo: Client, tmp_path: Path
) -> None:
    name, folder = database_name(database_uri), tmp_path / "out"
    await mongo[name].a.insert_one({"_id": 1})
    await mongo[name].b.insert_one({"_id": 1})
    await run("export", "--to", folder, uri=database_uri)
    manifest = json.loads((folder / "export.json").read_text())
    # As it was when it was killed in the second table; the database has moved on since.
    manifest["complete"] = False
    del manifest["written"]["b"]
    (folder / "export.json").write_text(json.dumps(manifest))
    (folder / "b.jsonl").rename(folder / "b.jsonl.part")
    await mongo[name].a.insert_one({"_id": 2})
    await mongo[name].b.insert_one({"_id": 2})

    refused = await run("import", folder, uri=database_uri)
    assert refused.code == 2
    assert "was interrupted; run it again" in refused.stderr[0]
    written_at = (folder / "a.jsonl").stat().st_mtime_ns
    exported = await run("export", "--to", folder, uri=database_uri)
    assert exported.code == 0, exported.said
    assert (folder / "a.jsonl").stat().st_mtime_ns == written_at
    one = '{"_id": {"$numberInt": "1"}}\n'
    assert [(folder / f"{table}.jsonl").read_text() for table in "ab"] == [one, one]

    # Interrupted long ago: MongoDB has let go of that moment, and all is begun anew.
    manifest["at"] = [1, 1]
    (folder / "export.json").write_text(json.dumps(manifest))
    anew = await run("export", "--to", folder, uri=database_uri)
    assert anew.code == 0, anew.said
    assert [len((folder / f"{table}.jsonl").read_text().splitlines()) for table in "ab"] == [2, 2]
    # It is complete now: once more is a new export.
    await mongo[name].b.insert_one({"_id": 3})
    await run("export", "--to", folder, uri=database_uri)
    assert [len((folder / f"{table}.jsonl").read_text().splitlines()) for table in "ab"] == [2, 3]

    (folder / "a.jsonl").write_text("")
    cut = await run("import", folder, uri=database_uri)
    assert cut.code == 2
    assert "a.jsonl is not as it was exported" in cut.stderr[0]
    # Begun anew where it was complete: all of what is there now, and nothing of before.
    await mongo[name].a.drop()
    await run("export", "--to", folder, uri=database_uri)
    assert listed(folder) == ["b.jsonl", "export.json"]
    assert len((folder / "b.jsonl").read_text().splitlines()) == 3


LINES = [
    '{"_id": "new", "n": 1}', "", "{", '{"_id": "old", "n": 2}', '{"n": 3}', '{"_id": [1]}',
    '{"_id": "twin", "slug": "s"}', '{"_id": "x", "x": 1, "x": 2}',
]  # fmt: skip


async def test_lines_that_fail_are_told_by_number_and_the_others_are_stored(
    database_uri: str, mongo: Client, tmp_path: Path
) -> None:
    table = mongo[database_name(database_uri)].people
    await table.create_index("slug", unique=True, sparse=True)
    kept = [{"_id": "old", "n": 0}, {"_id": "other", "slug": "s"}]
    await table.insert_many(kept)
    file = tmp_path / "people.jsonl"
    file.write_text("\ufeff" + "\n".join(LINES))

    async def told(*arguments: object) -> dict[str, Any]:
        command = await run("import", file, "--json", *arguments, uri=database_uri)
        assert command.code == 1, command.said
        (one,) = json.loads(command.stdout[0])["files"]
        return one

    would = await told("--dry-run")
    assert (would["inserted"], would["replaced"], would["failed"]) == (3, 1, 3)
    assert [one["line"] for one in would["errors"]] == [3, 5, 8]
    assert await table.find().sort("_id").to_list() == kept
    refused = await told("--mode", "replace")
    assert (refused["inserted"], refused["removed"], refused["failed"]) == (0, 0, 3)
    assert await table.find().sort("_id").to_list() == kept

    inserted = await told("--mode", "insert")
    assert [one["line"] for one in inserted["errors"]] == [3, 4, 6, 7, 8]
    assert (inserted["inserted"], inserted["replaced"]) == (2, 0)
    made = await table.find_one({"n": 3})
    assert isinstance(made, dict)
    assert len(made["_id"]) == 24
    assert await table.find_one({"_id": "old"}) == kept[0]

    upserted = await told()
    assert (upserted["replaced"], upserted["unchanged"]) == (1, 1)
    reasons = {one["line"]: one["reason"] for one in upserted["errors"]}
    assert sorted(reasons) == [3, 5, 6, 7, 8]
    assert reasons[3].startswith("it is no JSON")
    assert "--mode insert" in reasons[5]
    assert reasons[7] == "the unique index slug_1 has another document with the same key"
    assert reasons[8] == "an object has two fields of one name"
    assert (await table.find_one({"_id": "old"}) or {})["n"] == 2

    file.write_text(LINES[0])
    command = await run("import", file, "--mode", "replace", uri=database_uri)
    assert command.code == 0, command.said
    assert await table.find().to_list() == [{"_id": "new", "n": 1}]
    assert "people: 4 removed, 1 inserted" in command.stderr


REFUSALS: list[tuple[Callable[..., Any], list[str], dict[str, Any], str]] = [
    (export, ["nowhere"], {"to": "{out}"}, "There is no table 'nowhere' to export"),
    (export, [], {"to": "{out}.jsonl"}, "is one file, for one table"),
    (export, [], {"to": "{full}"}, "holds files that are no export"),
    (export, [], {"to": "{file}"}, "is a file; name a folder"),
    (import_, ["{out}"], {}, "There is no file or folder"),
    (import_, ["{full}"], {}, "holds no .jsonl files"),
    (import_, ["{convex}"], {}, "`headwater convert"),
    (import_, ["{unpacked}"], {}, "`headwater convert"),
    (import_, ["{file}"], {"table": "headwaterMeta"}, "which is no table"),
    (import_, ["{file}"], {"table": "system.users"}, "which is no table"),
    (import_, ["{file}", "{file}"], {"table": "a"}, "--table is for one file"),
]


async def test_what_cannot_be_meant_is_refused_in_a_sentence(
    database_uri: str, mongo: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for table in ("a", "b"):
        await mongo[database_name(database_uri)][table].insert_one({"_id": 1})
    monkeypatch.setenv("HEADWATER_MONGODB_URI", database_uri)
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("Dear")
    (full / "file").write_text("")
    convex, unpacked = full / "snapshot.zip", full / "unpacked"
    with zipfile.ZipFile(convex, "w") as archive:
        archive.writestr("a/documents.jsonl", '{"_id": "1", "_creationTime": 1.0}\n')
        archive.extractall(unpacked)
    places = {"out": tmp_path / "out", "full": full, "file": full / "file"}
    places |= {"convex": convex, "unpacked": unpacked}
    for command, names, options, words in REFUSALS:
        first: list[Any] = [one.format(**places) for one in names]
        if command is import_:
            first = list(map(Path, first))
        if "to" in options:
            options = options | {"to": Path(options["to"].format(**places))}
        with pytest.raises(StartupError) as caught:
            await asyncio.to_thread(command, first, **options)
        assert words in str(caught.value)
    assert (full / "letter.txt").read_text() == "Dear"
    assert listed(tmp_path) == ["full"]


async def test_a_view_is_left_out_and_a_validator_is_told_of(
    database_uri: str, mongo: Client, tmp_path: Path
) -> None:
    database = mongo[database_name(database_uri)]
    await database.create_collection("checked", validator={"n": {"$type": "int"}})
    await database.create_collection("seen", viewOn="checked", pipeline=[])
    file = tmp_path / "checked.jsonl"
    await database.checked.insert_one({"_id": 1, "n": 1})
    alone = await run("export", "checked", "--to", file, uri=database_uri)
    assert alone.code == 0, alone.said
    assert from_line(file.read_bytes())["n"] == 1
    command = await run("export", "--to", tmp_path / "out", uri=database_uri)
    assert command.code == 1, command.said
    assert "seen: left out, for it is a view, which holds no documents of its own" in command.stderr
    assert "checked: was made with validator, which its file does not carry" in command.stderr
    file.write_text('{"_id": 2, "n": "two"}\n{"_id": 3, "n": 3}')
    imported = await run("import", file, uri=database_uri)
    assert imported.code == 1
    assert f"  {file}, line 1: Document failed validation" in imported.stderr
    assert await database.checked.count_documents({}) == 2
