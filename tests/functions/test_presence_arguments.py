"""Presence and activities called by their wire names, with arguments good, bad and hostile."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from schemas.activities import ACTIVITY_DAYS
from server.functions.presence import TABLES
from server.store.connection import database_name
from tests.serving import Running, serving

PERSON = {"userId": "ada", "userName": "Ada"}
HOSTILE = [
    "$where",
    "a.b.c",
    "$$NOW",
    "$userName",
    "0",
    " ",
    "x\x00y",
    "é\u202e\U0001f600" * 20,
    "x" * 200,
]


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    uri = mongo_uri.replace("/headwater?", "/test_presence_arguments?")
    async with serving(uri) as running:
        yield running
    async with AsyncMongoClient(mongo_uri) as client:
        await client.drop_database("test_presence_arguments")


@pytest.fixture(scope="module")
async def task(server: Running) -> str:
    return (await server.mutation("tasks.create", title="T"))["_id"]


async def said(server: Running, kind: str, name: str, arguments: dict[str, Any]) -> Any:
    answer = await server.http.post(f"/api/{kind}/presence.{name}", json=arguments)
    body = answer.json()
    if answer.status_code == 200:
        return body["value"]
    error = body["error"]
    places = [one["argument"].partition(".")[0] for one in error.get("details", ())]
    return answer.status_code, error["code"], sorted(set(places))


async def test_an_unknown_task_is_not_found_by_what_writes_and_empty_to_what_reads(
    server: Running,
) -> None:
    for name, more in (
        ("updatePresence", {"userName": "Ada"}),
        ("removePresence", {}),
        ("broadcastActivity", {"activityType": "x"}),
    ):
        arguments = {"taskId": "none", "userId": "ada", **more}
        assert await said(server, "mutation", name, arguments) == (404, "not_found", [])
    for name in ("getActiveUsers", "getRecentActivities"):
        assert await said(server, "query", name, {"taskId": "none"}) == []


@pytest.mark.parametrize(
    ("kind", "name", "good", "bad"),
    [
        (
            "mutation",
            "updatePresence",
            {**PERSON, "tabId": "1"},
            [
                {"userId": None}, {"userId": ""}, {"userId": "x" * 201}, {"userName": ""},
                {"userName": 5}, {"userName": "x" * 201}, {"userImage": "x" * 2_001},
                {"activity": "dancing"}, {"cursor": {"x": 1}}, {"cursor": [1, 2]},
                {"cursor": {"x": "NaN", "y": 0}}, {"cursor": {"x": 1e300, "y": 0}},
                {"cursor": "hide"}, {"selection": {"start": -1, "end": 2}},
                {"selection": {"start": 1.5, "end": 2}}, {"selection": {"start": 0, "end": 2**60}},
                {"selection": {"start": 0, "end": 1, "filePath": "x" * 5_000}},
                {"tabId": "x" * 201}, {"taskId": {"$gt": ""}}, {"lastSeenAt": 5}, {"present": True},
            ],
        ),
        (
            "mutation",
            "removePresence",
            {"userId": "ada"},
            [{"userId": 5}, {"userId": ["ada"]}, {"tabId": {"$ne": 1}}, {"userName": "Ada"}],
        ),
        (
            "mutation",
            "broadcastActivity",
            {"userId": "ada", "activityType": "file-opened"},
            [
                {"activityType": ""}, {"activityType": "x" * 101}, {"activityType": None},
                {"metadata": []}, {"metadata": "x"}, {"metadata": {"x": "y" * 9_000}},
                {"metadata": {"a\0b": 1}}, {"metadata": {"n": 2**63}}, {"timestamp": 5},
            ],
        ),
        (
            "query",
            "getActiveUsers",
            {},
            [{"timeoutMs": 0}, {"timeoutMs": "soon"}, {"timeoutMs": 10**9}, {"taskId": ""}],
        ),
        (
            "query",
            "getRecentActivities",
            {},
            [{"limit": 0}, {"limit": 201}, {"limit": 1.5}, {"taskId": "x" * 201}],
        ),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_by_its_name(
    server: Running,
    task: str,
    kind: str,
    name: str,
    good: dict[str, Any],
    bad: list[dict[str, Any]],
) -> None:
    taken = await said(server, kind, name, {"taskId": task, **good})
    assert not isinstance(taken, tuple), taken
    for change in bad:
        (place,) = change
        refusal = await said(server, kind, name, {"taskId": task, **good, **change})
        assert refusal == (422, "invalid_arguments", [place]), change
    for missing in ("taskId", *good):
        if missing in ("tabId",):
            continue
        rest = {key: value for key, value in {"taskId": task, **good}.items() if key != missing}
        assert await said(server, kind, name, rest) == (422, "invalid_arguments", [missing])
    other = "query" if kind == "mutation" else "mutation"
    assert await said(server, other, name, {"taskId": task, **good}) == (
        404,
        "unknown_function",
        [],
    )


async def test_hostile_names_are_people_and_tabs_like_any_other(server: Running, task: str) -> None:
    for name in HOSTILE:
        arguments = {
            "taskId": task, "userId": name, "userName": name, "userImage": name, "tabId": name,
            "selection": {"start": 0, "end": 1, "filePath": name},
        }  # fmt: skip
        first = await said(server, "mutation", "updatePresence", arguments)
        assert first == await said(server, "mutation", "updatePresence", arguments), name
    people = await said(server, "query", "getActiveUsers", {"taskId": task})
    found = {one["userId"]: one for one in people if one["userId"] != "ada"}
    assert found.keys() == set(HOSTILE)
    for name, one in found.items():
        assert one["userName"] == one["userImage"] == one["selection"]["filePath"] == name
    for name in HOSTILE:
        gone = {"taskId": task, "userId": name, "tabId": name}
        assert await said(server, "mutation", "removePresence", gone) is None
    people = await said(server, "query", "getActiveUsers", {"taskId": task})
    assert not {one["userId"] for one in people}.intersection(HOSTILE)


async def test_no_two_people_share_a_row(server: Running) -> None:
    tasks = [(await server.mutation("tasks.create", title="T"))["_id"] for _ in range(2)]
    rows = {
        await said(
            server,
            "mutation",
            "updatePresence",
            {"taskId": task, "userId": user, "userName": "N"},
        )
        for task in tasks
        for user in ("a", "aa", tasks[1], f"{tasks[1]}a")
    }
    assert len(rows) == 8


async def test_the_clean_up_cannot_be_called(server: Running) -> None:
    for kind in ("query", "mutation", "action"):
        for name in ("cleanupStalePresence", "arrive", "noteSilent"):
            assert (await said(server, kind, name, {}))[:2] == (404, "unknown_function")


async def test_activities_expire_and_all_that_hangs_on_a_task_says_so(
    server: Running, mongo: AsyncMongoClient[Any]
) -> None:
    database = mongo[database_name(server.app.mongodb_uri)]
    indexes = await database.activities.index_information()
    expiring = [one for one in indexes.values() if "expireAfterSeconds" in one]
    assert [(one["key"], one["expireAfterSeconds"]) for one in expiring] == [
        ([("timestamp", 1)], ACTIVITY_DAYS * 24 * 3600)
    ]
    assert {table.collection for table in TABLES} == {"presence", "activities"}
    assert all("task_id" in table.model_fields for table in TABLES)


async def test_the_newest_activities_come_first_and_no_more_than_asked_for(
    server: Running,
) -> None:
    task = (await server.mutation("tasks.create", title="T"))["_id"]
    for number in range(7):
        await server.mutation(
            "presence.broadcastActivity", taskId=task, userId="ada", activityType=f"a{number}"
        )
    found = await server.query("presence.getRecentActivities", taskId=task, limit=3)
    assert [one["activityType"] for one in found] == ["a6", "a5", "a4"]
