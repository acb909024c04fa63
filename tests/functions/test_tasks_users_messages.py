"""Tasks, users and messages, by their documented names."""

import asyncio
from typing import Any

from tests.serving import Running, serving
from tests.sse import Follower


async def refused(server: Running, kind: str, name: str, /, **arguments: Any) -> tuple[int, str]:
    response = await server.http.post(f"/api/{kind}/{name}", json=arguments)
    return response.status_code, response.json()["error"]["code"]


async def test_a_task_is_created_changed_listed_and_removed(database_uri: str) -> None:
    async with serving(database_uri) as server:
        old = await server.mutation("tasks.create", title="Old", userId="ada")
        new = await server.mutation("tasks.create", title="New", description="d", userId="eve")
        assert old["status"] == "ACTIVE"
        assert "nextSequence" not in old
        assert await server.query("tasks.get", taskId=old["_id"]) == old
        assert await server.query("tasks.get", taskId="none") is None
        assert await server.query("tasks.list") == [new, old]
        assert await server.query("tasks.list", userId="ada") == [old]
        assert await server.query("tasks.list", limit=1) == [new]
        changed = await server.mutation("tasks.update", taskId=old["_id"], status="COMPLETED")
        assert changed == old | {"status": "COMPLETED", "updatedAt": changed["updatedAt"]}
        same = await server.mutation("tasks.update", taskId=old["_id"])
        assert same == changed | {"updatedAt": same["updatedAt"]}
        assert await server.mutation("tasks.remove", taskId=old["_id"]) is None
        assert await server.query("tasks.list") == [new]


async def test_a_removed_task_takes_its_messages_along(database_uri: str) -> None:
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="T")
        queries = {
            "task": ("tasks.get", {"taskId": task["_id"]}),
            "messages": ("messages.byTask", {"taskId": task["_id"]}),
        }
        follower = Follower(server.http, queries)
        async with follower.following():
            await server.action("streaming.streamChat", taskId=task["_id"], prompt="Why?")
            await follower.until(
                lambda f: [m["status"] for m in f.values.get("messages", [])] == ["COMPLETED"] * 2
            )
            first, last = follower.values["messages"]
            assert await server.query("messages.get", messageId=first["_id"]) == first
            assert await server.query("messages.byTask", taskId=task["_id"], limit=1) == [last]
            await server.mutation("tasks.remove", taskId=task["_id"])
            await follower.until(lambda f: f.values == {"task": None, "messages": []})
            removal = follower.events[-1].data["queries"]
            assert removal.keys() == {"task", "messages"}, "a transaction is seen whole"


async def test_what_does_not_fit_is_refused(database_uri: str) -> None:
    async with serving(database_uri) as server:
        for arguments in ({"title": ""}, {"title": "x" * 501}, {}, {"title": 5}):
            assert await refused(server, "mutation", "tasks.create", **arguments) == (
                422,
                "invalid_arguments",
            )
        task = await server.mutation("tasks.create", title="T")
        assert await refused(
            server, "mutation", "tasks.update", taskId=task["_id"], status="DONE"
        ) == (422, "invalid_arguments")
        for name in ("tasks.update", "tasks.remove"):
            assert await refused(server, "mutation", name, taskId="none") == (404, "not_found")
        assert await refused(server, "query", "messages.byTask", taskId="t", limit=0) == (
            422,
            "invalid_arguments",
        )


async def test_a_user_is_written_down_once_and_changed_where_given(database_uri: str) -> None:
    async with serving(database_uri) as server:
        assert await server.query("users.get", userId="ada") is None
        ada = await server.mutation("users.upsert", userId="ada", name="Ada", email="a@b.example")
        assert ada["_id"] == "ada"
        changed = await server.mutation("users.upsert", userId="ada", name="Lady Ada")
        assert (changed["name"], changed["email"]) == ("Lady Ada", "a@b.example")
        assert await server.query("users.get", userId="ada") == changed


async def test_a_user_who_is_written_down_by_many_at_once_is_one(database_uri: str) -> None:
    async with serving(database_uri) as server:
        users = await asyncio.gather(
            *(server.mutation("users.upsert", userId="ada", name=f"Ada {n}") for n in range(10))
        )
        assert {user["createdAt"] for user in users} == {users[0]["createdAt"]}
        assert await server.query("users.get", userId="ada") in users


async def test_a_description_an_email_and_an_image_are_cleared_by_null(database_uri: str) -> None:
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="T", description="d")
        kept = await server.mutation("tasks.update", taskId=task["_id"], title="U")
        assert (kept["title"], kept["description"]) == ("U", "d")
        cleared = await server.mutation("tasks.update", taskId=task["_id"], description=None)
        assert (cleared["title"], cleared["description"]) == ("U", None)
        await server.mutation("users.upsert", userId="a", name="A", email="a@b.example", image="i")
        user = await server.mutation("users.upsert", userId="a", name="A", email=None)
        assert (user["email"], user["image"]) == (None, "i")


async def test_a_task_leaves_the_archive_only_to_be_active(database_uri: str) -> None:
    async with serving(database_uri) as server:
        task = (await server.mutation("tasks.create", title="T"))["_id"]
        for status in ("ACTIVE", "COMPLETED", "ACTIVE", "ARCHIVED", "ARCHIVED"):
            changed = await server.mutation("tasks.update", taskId=task, status=status)
            assert changed["status"] == status
        answer = await server.http.post(
            "/api/mutation/tasks.update", json={"taskId": task, "status": "COMPLETED", "title": "U"}
        )
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "conflict")
        assert error["message"] == ("A task that is ARCHIVED cannot become COMPLETED, only ACTIVE.")
        assert error["details"] == {"status": "ARCHIVED", "allowed": ["ACTIVE"]}
        assert (await server.query("tasks.get", taskId=task))["title"] == "T"
        assert (await server.mutation("tasks.update", taskId=task, status="ACTIVE"))["title"] == "T"
