"""Every function by its wire name over HTTP: what fits, what is missing, mistyped or hostile."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from server.functions import (
    file_changes,
    messages,
    tasks,
    terminal_output,
    tool_call_tracking,
    tool_logs,
    users,
)
from server.runtime import Catalog
from tests.serving import Running, serving

CATALOG = Catalog(
    [tasks, users, messages, tool_call_tracking, file_changes, tool_logs, terminal_output]
)
FUNCTIONS = {name: one for name, one in CATALOG if not one.internal}

GOOD: dict[str, dict[str, Any]] = {
    "fileChanges.byTask": {"taskId": "TASK", "limit": 1},
    "fileChanges.deleteByTask": {"taskId": "TASK"},
    "fileChanges.record": {"taskId": "TASK", "changeType": "UPDATE", "path": "a.py"},
    "messages.byTask": {"taskId": "TASK"},
    "messages.get": {"messageId": "m"},
    "tasks.create": {"title": "T", "description": None},
    "tasks.get": {"taskId": "TASK"},
    "tasks.getWorkspaceStatus": {"taskId": "TASK"},
    "tasks.list": {},
    "tasks.remove": {"taskId": "TASK"},
    "tasks.update": {"taskId": "TASK", "description": None},
    "tasks.workspaceHeartbeat": {"taskId": "TASK", "status": "healthy", "pid": 7},
    "terminalOutput.append": {"taskId": "TASK", "stream": "stdout", "text": "x", "offset": 0},
    "terminalOutput.byTask": {"taskId": "TASK"},
    "terminalOutput.deleteByTask": {"taskId": "TASK"},
    "toolCallTracking.approve": {"toolCallId": "CALL"},
    "toolCallTracking.byMessage": {"messageId": "m"},
    "toolCallTracking.byTask": {"taskId": "TASK"},
    "toolCallTracking.byToolCallId": {"toolCallId": "CALL"},
    "toolCallTracking.claim": {"id": "CALL_ID", "executor": "e"},
    "toolCallTracking.create": {
        "messageId": "m", "taskId": "TASK", "toolName": "t", "args": {}, "toolCallId": "new",
    },
    "toolCallTracking.deleteByTask": {"taskId": "TASK"},
    "toolCallTracking.deny": {"toolCallId": "CALL", "reason": "no"},
    "toolCallTracking.pending": {},
    "toolCallTracking.release": {"id": "CALL_ID", "executor": "nobody"},
    "toolCallTracking.updateResult": {"toolCallId": "CALL", "status": "FAILED", "error": "e"},
    "toolLogs.begin": {"taskId": "TASK", "toolName": "grep"},
    "toolLogs.byTask": {"taskId": "TASK"},
    "toolLogs.deleteByTask": {"taskId": "TASK"},
    "toolLogs.finish": {"logId": "LOG", "status": "COMPLETED", "output": "x"},
    "users.get": {"userId": "u"},
    "users.upsert": {"userId": "u", "name": "U"},
}  # fmt: skip

CONTRADICT = {"toolCallTracking.approve", "toolCallTracking.deny", "toolCallTracking.release"}
"""Of a call that waits for nobody, or that is nobody's, they are a conflict."""
NOTHING = {"tasks.get": None, "tasks.getWorkspaceStatus": {"taskId": "none", "status": "gone"}}
LOOKS = {name for name in GOOD if name.endswith("byTask")} | NOTHING.keys()
"""Of a task that is not there they find nothing."""

MISTYPED: list[Any] = [[], {}, {"$gt": ""}, {"$ne": None}, [["x"]], 1.5, True]
NO_NUMBERS: list[Any] = ["x", [], {"$gt": 0}, 1.5, -1, 2**63]
HOSTILE = [
    "$where", "{'$gt': ''}", "__proto__", "$$NOW", "../../etc/passwd", "a\0b", "\u202e\ufeff",
    "x" * 100_000, "'; db.dropDatabase(); //", "𝄞" * 200, "",
]  # fmt: skip


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    """One server for all of them."""
    uri = mongo_uri.replace("/headwater?", "/calls_over_http?")
    async with serving(uri) as server:
        yield server


@pytest.fixture
async def there(server: Running) -> dict[str, str]:
    """A task, a call of a tool and a log of it."""
    task = (await server.mutation("tasks.create", title="T"))["_id"]
    call = await server.mutation(
        "toolCallTracking.create",
        messageId="m", taskId=task, toolName="t", args={}, toolCallId=uuid4().hex,
    )  # fmt: skip
    log = await server.mutation("toolLogs.begin", taskId=task, toolName="grep")
    return {"TASK": task, "CALL": call["toolCallId"], "CALL_ID": call["_id"], "LOG": log["_id"]}


def filled(name: str, ids: dict[str, str]) -> dict[str, Any]:
    """Arguments that fit."""
    return {
        argument: ids.get(value, value) if isinstance(value, str) else value
        for argument, value in GOOD[name].items()
    }


async def call(server: Running, name: str, arguments: dict[str, Any]) -> tuple[int, Any]:
    kind = FUNCTIONS[name].kind
    answer = await server.http.post(f"/api/{kind}/{name}", json=arguments)
    assert answer.headers["content-type"].startswith("application/json")
    return answer.status_code, answer.json()


def strings(name: str) -> Iterator[str]:
    """The arguments that are given as strings."""
    return (argument for argument, value in GOOD[name].items() if isinstance(value, str))


def test_every_public_function_is_called() -> None:
    assert GOOD.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("name", GOOD)
async def test_what_fits_is_answered(server: Running, there: dict[str, str], name: str) -> None:
    status, answer = await call(server, name, filled(name, there))
    if name in CONTRADICT:
        assert (status, answer["error"]["code"]) == (409, "conflict")
    else:
        assert status == 200, answer
        assert answer.keys() == {"value", "position"}


@pytest.mark.parametrize("name", GOOD)
async def test_what_is_missing_mistyped_or_too_much_is_refused_and_named(
    server: Running, there: dict[str, str], name: str
) -> None:
    good = filled(name, there)
    required = {
        str(info.alias)
        for info in FUNCTIONS[name].arguments.model_fields.values()
        if info.is_required()
    }
    assert required <= good.keys()
    wrong = [(one, {k: v for k, v in good.items() if k != one}) for one in required]
    wrong += [(one, good | {one: value}) for one in strings(name) for value in MISTYPED]
    numbers = [argument for argument, value in good.items() if isinstance(value, int)]
    wrong += [(one, good | {one: value}) for one in numbers for value in NO_NUMBERS]
    wrong += [("extra", good | {"extra": 1}), ("$where", good | {"$where": "1"})]
    for argument, arguments in wrong:
        status, answer = await call(server, name, arguments)
        assert (status, answer["error"]["code"]) == (422, "invalid_arguments"), arguments
        places = {one["argument"].partition(".")[0] for one in answer["error"]["details"]}
        assert places & {argument, "…"}, answer


@pytest.mark.parametrize("name", GOOD)
async def test_hostile_texts_are_texts_or_refused_and_break_nothing(
    server: Running, there: dict[str, str], name: str
) -> None:
    good = filled(name, there)
    for argument in strings(name):
        for text in HOSTILE:
            status, answer = await call(server, name, good | {argument: text})
            assert status in (200, 404, 409, 422), (argument, text[:50], answer)
            if status == 200 and argument == "taskId":
                assert name in LOOKS, f"there is no such task: {text[:50]!r}"
    assert await server.query("tasks.list"), "the others are there"


@pytest.mark.parametrize("name", [name for name, good in GOOD.items() if "taskId" in good])
async def test_a_task_that_is_not_there_is_said_to_be_none(
    server: Running, there: dict[str, str], name: str
) -> None:
    status, answer = await call(server, name, filled(name, there) | {"taskId": "none"})
    if name in LOOKS:
        assert status == 200
        found = answer["value"]
        if isinstance(found, dict):
            found = {key: value for key, value in found.items() if value is not None}
        assert found == NOTHING.get(name, [])
    else:
        assert (status, answer["error"]["code"]) == (404, "not_found")
        assert answer["error"]["message"].startswith("There is no Task 'none'")
