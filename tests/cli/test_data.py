"""`headwater data`: what is in a database, for people and for programs."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from schemas.chat_messages import ChatMessage
from schemas.tasks import Task
from server.store.connection import database_name
from tests.command_here import Said, headwater_here

Client = AsyncMongoClient[Any]
MADE = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


@pytest.fixture
async def uri(database_uri: str, mongo: Client) -> str:
    """A database with three tasks, a message that is being written, and a table of nobody's."""
    database = mongo[database_name(database_uri)]
    for number, title in enumerate(("Rivers", "Lakes", "\x1b[31mSeas")):
        task = Task(id=f"task{number}", title=title, created_at=MADE).stored()
        await database.tasks.insert_one(task | {"undeclared": "u"})
    message = ChatMessage(
        id="m", task_id="task0", role="assistant", sequence=0, status="STREAMING"
    ).stored()
    message["parts"] = [{"type": "text", "text": ["One ", "two"]}]
    message["lease"] = {"owner": "secret-owner", "attempt": 1, "expiresAt": MADE}
    await database.chatMessages.insert_one(message)
    await database.stones.insert_one({"_id": 1, "hard": True})
    return database_uri


async def run(*arguments: str, uri: str, columns: int = 100) -> Said:
    settings = {"HEADWATER_MONGODB_URI": uri, "COLUMNS": str(columns)}
    return await headwater_here("data", *arguments, **settings)


async def test_it_lists_tables_and_shows_documents_without_what_is_internal(uri: str) -> None:
    listed = await run(uri=uri)
    assert [line.split() for line in listed.stdout[:4]] == [
        ["table", "documents"], ["chatMessages", "1"], ["stones", "1"], ["tasks", "3"]
    ]  # fmt: skip
    shown = await run("tasks", "--sort", "_id", "--limit", "2", uri=uri)
    assert shown.code == 0, shown.said
    assert shown.stdout[0].split()[-2:] == ["createdAt", "updatedAt"]
    assert shown.stdout[0].split()[:2] == ["_id", "title"]
    assert shown.stdout[1].split()[:2] == ["task0", "Rivers"]
    assert "2026-01-02 03:04:05.678" in shown.stdout[1]
    assert shown.stdout[3] == "2 documents, and more (--limit)"
    assert "undeclared" not in shown.said
    sea = await run("tasks", "--filter", '{"_id": "task2"}', "--fields", "title", uri=uri)
    assert [line.rstrip() for line in sea.stdout] == ["title", "\ufffd[31mSeas", "1 document"]
    messages = await run("chatMessages", "--json", uri=uri)
    (line,) = messages.stdout
    assert json.loads(line)["parts"] == [{"type": "text", "text": "One two"}]
    assert "secret-owner" not in messages.said
    raw = await run("chatMessages", "--json", "--raw", uri=uri)
    assert json.loads(raw.stdout[0])["lease"]["owner"] == "secret-owner"
    assert json.loads(raw.stdout[0])["parts"][0]["text"] == ["One ", "two"]


async def test_what_has_no_room_is_named_and_lines_are_no_wider_than_the_terminal(
    uri: str,
) -> None:
    command = await run("chatMessages", uri=uri, columns=60)
    assert all(len(line) <= 60 for line in command.stdout[:2]), command.said
    assert "not shown: " in command.said
    nested = await run("chatMessages", "--raw", "--fields", "lease.owner,lease.expiresAt", uri=uri)
    assert nested.stdout[1].split() == ["secret-owner", "2026-01-02", "03:04:05.678"]


REFUSALS = [
    (["stones"], "The built-in application has no table 'stones', only activities, "),
    (["rocks", "--raw"], "There is no table 'rocks' in "),
    (["tasks", "--filter", "{a"], "--filter cannot be read: it is no JSON"),
    (["tasks", "--filter", '{"$nope": 1}'], "refused (unknown top level operator: $nope"),
    (["tasks", "--app", "nowhere.py:app"], "There is no app at 'nowhere.py:app'"),
]


async def test_what_cannot_be_shown_is_told_in_a_sentence(uri: str) -> None:
    for arguments, words in REFUSALS:
        command = await run(*arguments, uri=uri)
        assert command.code == 2, command.said
        assert command.stdout == []
        (sentence,) = command.stderr
        assert sentence.startswith("headwater: ")
        assert words in sentence


async def test_an_apps_own_table_is_shown_by_naming_the_app(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "quarry.py"
    file.write_text(
        "from schemas.document import Document\n"
        "from server.app import create_app\n"
        "from server.runtime import QueryCtx, query\n"
        "class Stone(Document, collection='stones'):\n    hard: bool\n"
        "@query\ndef all(ctx: QueryCtx):\n    return ctx.find(Stone)\n"
        "app = create_app(functions=[__name__])\n"
    )
    monkeypatch.setattr(sys, "path", sys.path[:])
    command = await run("stones", "--app", f"{file}:app", "--json", uri=uri)
    assert command.code == 0, command.said
    assert list(map(json.loads, command.stdout)) == [{"_id": 1, "hard": True}]
