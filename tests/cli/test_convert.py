"""`headwater convert`: a Convex export becomes what `headwater import` takes."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from schemas.chat_messages import ChatMessage
from server.cli.convex_documents import Unfit, convert_document
from server.llm.standin import Reply, Text
from server.store.connection import database_name
from tests.command_here import headwater_here
from tests.serving import serving

ADA, TASK, EMPTY = "k571aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "j57bbbbbbbbbbb", "j57ccccccccccc"
MADE = 1_764_000_000_000.25
"""Convex has doubles only: `_creationTime` may have a fraction, and whole numbers end in .0."""


def document(id_: str, **fields: Any) -> dict[str, Any]:
    return {"_creationTime": MADE, "_id": id_, **fields}


def message(number: int, role: str, content: str, **more: Any) -> dict[str, Any]:
    whole = {"taskId": TASK, "sequence": float(number), "createdAt": MADE + number}
    return document(f"m{number}", role=role, content=content, **whole, **more)


TRACED = {
    "parts": [
        {"type": "reasoning", "text": "Let me look."},
        {"type": "tool-call", "toolCallId": "c1", "toolName": "look_up", "args": {"place": "Bern"}},
        {"type": "tool-result", "toolCallId": "c1", "result": {"lat": 46.9}},
        {"type": "step-start"},
    ]
}
TABLES: dict[str, list[dict[str, Any]]] = {
    "users": [
        document(ADA, name="Ada", email="a@b.c", emailVerified=True, createdAt=MADE, updatedAt=MADE)
    ],
    "tasks": [
        document(TASK, title="Reports", status="RUNNING", userId=ADA, repoUrl="r", createdAt=MADE),
        document(EMPTY, title="Old", status="ARCHIVED", userId=ADA, updatedAt=MADE + 1000),
    ],
    "chatMessages": [
        message(4, "USER", "Where is Bern?"),
        message(
            5, "ASSISTANT", "In Switzerland.", metadataJson=json.dumps(TRACED), llmModel="a-model",
            promptTokens=3.0, completionTokens=4.0, totalTokens=7.0, status="complete",
            finishReason="stop", promptMessageId="m4",
        ),
        message(6, "ASSISTANT", "It is", status="streaming"),
    ],
    "agentTools": [
        document(
            "t1", messageId="m5", taskId=TASK, toolName="look_up", args={"place": "Bern"},
            toolCallId="c1", status="COMPLETED", result={"lat": 46.9}, completedAt=MADE,
        ),
        document(
            "t2", messageId="m6", taskId=TASK, toolName="look_up", args={}, toolCallId="c2",
            status="PENDING",
        ),
    ],
    "fileChanges": [
        document("f1", taskId=TASK, filePath="a.py", operation="UPDATE", additions=2.0, deletions=1)
    ],
    "toolLogs": [
        document(
            "l1", taskId=TASK, toolName="run", argsJson='{"a": 1}', status="COMPLETED",
            resultJson='"ok"', durationMs=12.0, completedAt=MADE,
        )
    ],
    "activities": [
        document(
            "a1", taskId=TASK, userId=ADA, activityType="file-saved", timestamp=MADE,
            metadata='{"filePath": "a.py"}',
        )
    ],
    "presence": [document("p1", taskId=TASK, userId=ADA, userName="Ada", lastSeenAt=MADE)],
    "todos": [document("o1", taskId=TASK, content="Read", sequence=1.0, createdAt=MADE)],
}  # fmt: skip


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "snapshot.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.md", "An export.")
        archive.writestr("_tables/documents.jsonl", '{"name":"tasks","id":10001}\n')
        archive.writestr("_storage/documents.jsonl", '{"_id":"kg2","size":3}\n')
        for table, documents in TABLES.items():
            lines = "".join(json.dumps(one) + "\n" for one in documents)
            archive.writestr(f"{table}/documents.jsonl", lines)
            archive.writestr(f"{table}/generated_schema.jsonl", '"any"\n')
    return path


async def test_what_was_exported_goes_on_here(
    export: Path, tmp_path: Path, database_uri: str, mongo: AsyncMongoClient[Any]
) -> None:
    moved = tmp_path / "moved"
    said = await headwater_here("convert", export, "--to", moved)
    assert said.code == 0, said.said
    assert any(line.startswith("presence: left out") for line in said.stderr)
    assert any("storage are left out" in line for line in said.stderr)
    assert sorted(one.name for one in moved.iterdir()) == sorted(
        f"{table}.jsonl" for table in TABLES if table != "presence"
    )

    async with serving(database_uri) as server:
        for again in (False, True):
            imported = await headwater_here(
                "import", moved, "--json", HEADWATER_MONGODB_URI=database_uri
            )
            assert imported.code == 0, imported.said
            told = json.loads(imported.stdout[0])["files"]
            assert all(one["failed"] == 0 for one in told)
            assert all((one["inserted"] == 0) == again for one in told)
        milliseconds = int(MADE)

        user = await server.query("users.get", userId=ADA)
        assert user == {
            "_id": ADA, "name": "Ada", "email": "a@b.c",
            "createdAt": milliseconds, "updatedAt": milliseconds,
        }  # fmt: skip
        tasks = {one["_id"]: one for one in await server.query("tasks.list", userId=ADA)}
        assert [tasks[one]["status"] for one in (TASK, EMPTY)] == ["ACTIVE", "ARCHIVED"]
        assert tasks[EMPTY]["updatedAt"] == milliseconds + 1000
        asked, answered, cut = await server.query("messages.byTask", taskId=TASK)
        assert asked["parts"] == [{"type": "text", "text": "Where is Bern?"}]
        assert (asked["role"], asked["status"], asked["sequence"]) == ("user", "COMPLETED", 4)
        assert asked["createdAt"] == milliseconds + 4
        assert [part["type"] for part in answered["parts"]] == [
            "reasoning", "tool-call", "tool-result", "text"
        ]  # fmt: skip
        assert answered["parts"][1]["args"] == {"place": "Bern"}
        assert answered["usage"]["totalTokens"] == 7
        assert (answered["model"], answered["askedBy"]) == ("a-model", "m4")
        assert cut["status"] == "INTERRUPTED"
        done, never = await server.query("toolCallTracking.byTask", taskId=TASK)
        assert (done["status"], done["result"]) == ("COMPLETED", {"lat": 46.9})
        assert (never["status"], never["error"]["code"]) == ("FAILED", "interrupted")
        assert await server.query("toolCallTracking.pending") == []
        (change,) = await server.query("fileChanges.byTask", taskId=TASK)
        assert (change["path"], change["changeType"], change["additions"]) == ("a.py", "UPDATE", 2)
        (log,) = await server.query("toolLogs.byTask", taskId=TASK)
        assert (log["input"], log["output"], log["durationMs"]) == ('{"a": 1}', '"ok"', 12)
        (activity,) = await server.query("presence.getRecentActivities", taskId=TASK)
        assert activity["metadata"] == {"filePath": "a.py"}
        assert activity["timestamp"] == milliseconds

        # Claude is told what was said before, and the next message comes after the last.
        server.script.add(Reply([Text(["Yes."])]))
        begun = await server.action("streaming.streamChat?wait=true", taskId=TASK, prompt="Sure?")
        last = await server.query("messages.get", messageId=begun["messageId"])
        assert (last["sequence"], last["status"]) == (8, "COMPLETED")
        spoken = [one["content"] for one in server.standin.requests[-1].body["messages"]]
        assert [text for one in spoken for text in _texts(one)] == [
            "Where is Bern?", "In Switzerland.", "It is", "Sure?"
        ]  # fmt: skip

    database = mongo[database_name(database_uri)]
    stored = await database.tasks.find_one({"_id": TASK}) or {}
    assert stored["repoUrl"] == "r", "what the table does not have stays stored"
    todo = await database.todos.find_one({"_id": "o1"}) or {}
    assert (todo["content"], todo["sequence"]) == ("Read", 1)
    assert todo["createdAt"] == todo["updatedAt"]
    assert "_creationTime" not in todo


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content if block["type"] == "text"]


NOTES = """
from datetime import datetime

from schemas.document import Document
from server.app import create_app
from server.runtime import Find, QueryCtx, query


class Note(Document, collection="notes"):
    text: str
    due: datetime


@query
def all(ctx: QueryCtx) -> Find[Note]:
    return ctx.find(Note, {})


app = create_app(functions=[__name__])
"""


async def test_a_table_of_ones_own_gets_its_dates_and_says_what_does_not_fit(
    tmp_path: Path,
) -> None:
    (tmp_path / "notes.py").write_text(NOTES, "utf-8")
    folder = tmp_path / "export" / "notes"
    folder.mkdir(parents=True)
    lines = [
        json.dumps(document("n1", text="Hello", due=MADE, extra=2.0)),
        "{",
        json.dumps({"text": "nobody"}),
        json.dumps(document("n2", text="Bad", due="secret words")),
    ]
    (folder / "documents.jsonl").write_text("\n".join(lines), "utf-8")
    app = f"{tmp_path / 'notes.py'}:app"
    out = tmp_path / "out"
    said = await headwater_here("convert", tmp_path / "export", "--to", out, "--app", app)
    assert said.code == 1
    assert said.stderr[0].startswith("notes: 1 document in")
    assert said.stderr[1:3] == [
        "  line 2: it is no JSON", "  line 3: it is no document with an _id"
    ]  # fmt: skip
    assert said.stderr[3].startswith("  line 4: it does not fit the table: due:")
    assert "secret words" not in said.said
    when = {"$date": {"$numberLong": str(int(MADE))}}
    assert json.loads((out / "notes.jsonl").read_text()) == {
        "_id": "n1", "text": "Hello", "due": when, "extra": {"$numberInt": "2"},
        "createdAt": when, "updatedAt": when,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "words"),
    [("absent.zip", "no ZIP file"), (".", "holds no tables"), ("empty.zip", "holds no tables")],
)
async def test_what_is_no_export_is_refused_in_a_sentence(
    path: str, words: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    (tmp_path / "folder").mkdir()
    said = await headwater_here("convert", tmp_path / ("folder" if path == "." else path))
    assert said.code == 2
    assert words in said.stderr[0]


def break_in_the_middle(export: Path) -> None:
    whole = export.read_bytes()
    at = whole.index(b'"name": "Ada"')  # stored, not compressed
    export.write_bytes(whole[:at] + b"#" + whole[at + 1 :])


async def test_an_export_that_is_broken_in_the_middle_leaves_no_file_of_it(
    export: Path, tmp_path: Path
) -> None:
    break_in_the_middle(export)
    said = await headwater_here("convert", export, "users", "--to", tmp_path / "out")
    assert said.code == 2
    assert "can be read" in said.stderr[0]
    assert [one.name for one in (tmp_path / "out").glob("*.jsonl")] == []


async def test_of_a_folder_of_exports_the_newest_is_taken(export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    with zipfile.ZipFile(folder / "snapshot_1.zip", "w"):
        pass
    shutil.move(export, folder / "snapshot_2.zip")
    said = await headwater_here("convert", folder, "users", "--to", tmp_path / "out")
    assert said.code == 0, said.said


async def test_tables_are_converted_by_name(export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = await headwater_here("convert", export, "users", "presence", "--to", out)
    assert said.code == 0, said.said
    assert sorted(one.name for one in out.iterdir()) == ["users.jsonl"]
    unknown = await headwater_here("convert", export, "wombats", "--to", out)
    assert unknown.code == 2
    assert "no table 'wombats'" in unknown.stderr[0]


async def test_one_task_is_converted_by_its_id(export: Path, tmp_path: Path) -> None:
    for task, expected in ((TASK, [1, 3]), (EMPTY, [1, 0])):
        out = tmp_path / task
        said = await headwater_here(
            "convert", export, "tasks", "chatMessages", "--task", task, "--to", out
        )
        assert said.code == 0, said.said
        files = [out / "tasks.jsonl", out / "chatMessages.jsonl"]
        lines = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
        assert [len(one) for one in lines] == expected
        assert lines[0][0]["_id"] == task


def test_a_message_that_is_none_is_unfit() -> None:
    with pytest.raises(Unfit, match="role"):
        convert_document(document("m", role="NOBODY", content="x", taskId="t"), ChatMessage, 0)
