"""`headwater transcript`: the record of a task, for people and for programs."""

import json
import os
from pathlib import Path
from uuid import uuid4

from pymongo import AsyncMongoClient

from server.llm.standin import CutShort, Reply, StandinServer, Text, Thinking, ToolUse
from server.store.connection import database_name
from tests.functions.chat import begin, ended, new_task, talking
from tests.headwater_command import Command, headwater, serving_process


async def run(*arguments: str, **environment: str) -> Command:
    async with headwater("transcript", *arguments, PYTHONUTF8="1", **environment) as command:
        await command.ended()
    return command


async def test_it_shows_every_entry_and_which_ones_nobody_said(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply([Thinking(["Hm."]), ToolUse("add", {"left": 1, "right": 2}, id="toolu_a")]),
            Reply([Text(["It is\n", "\x1b[31mthree", "!"])], failure=CutShort(after=2)),
            Reply([Text([", I think."])]),
        )
        task = await new_task(server)
        tools = {"tools": ["add"], "systemPrompt": "Be exact."}
        message = await begin(server, task, "One and two?", **tools)
        assert (await ended(server, message))["status"] == "FAILED"
        await server.action("streaming.resumeStream", messageId=message)
        reply = await ended(server, message)
    command = await run(task, HEADWATER_MONGODB_URI=database_uri)
    assert command.process.returncode == 0, command.said
    heads = [line.split()[:3] for line in command.stdout if line[:4].strip()]
    assert heads == [
        ["1", "prompt", "user"],
        ["2", "base", "-"],
        ["3", "reply", "assistant"],
        ["4", "results", "user"],
        ["5", "cut", "assistant"],
        ["6", "continue", "user"],
        ["7", "reply", "assistant"],
    ]
    said = command.said
    for words in (
        "text: One and two?", "system: Be exact.", "tool add", "thinking: Hm.",
        'tool_use add toolu_a: {"left": 1, "right": 2}', "tool_result toolu_a: 3",
        "[as far as it came]", "[written by Headwater]", "text:\n        It is\n",
        "\ufffd[31mthree", ", I think.", "tool_use  ", "end_turn", f"message {message}",
        *reply["requestIds"][::2],
    ):  # fmt: skip
        assert words in said, words
    assert "\x1b" not in said


async def test_its_json_has_the_stored_content_byte_for_byte(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([Thinking(["Zürich…"]), Text(["Ja."])]))
        task = await new_task(server)
        await ended(server, await begin(server, task, "Wo?"))
    command = await run(task, "--json", HEADWATER_MONGODB_URI=database_uri)
    assert command.process.returncode == 0, command.said
    lines = [json.loads(line) for line in command.stdout]
    async with AsyncMongoClient(database_uri) as client:
        stored = client[database_name(database_uri)]["transcripts"].find().sort("number", 1)
        entries = await stored.to_list()
    assert [line["content"] for line in lines] == [entry["content"] for entry in entries]
    names = ("kind", "role", "number", "messageId", "requestId", "stopReason")
    for name in names:
        assert [line.get(name) for line in lines] == [entry.get(name) for entry in entries]
    assert "signature" in json.loads(lines[-1]["content"])[0]


async def test_it_joins_the_embedded_mongodb_while_a_server_runs(fast_dir: Path) -> None:
    data_dir = fast_dir / uuid4().hex
    async with serving_process(data_dir) as server:
        task = (await server.call("mutation", "tasks.create", title="T"))["_id"]
        command = await run(task, HEADWATER_DATA_DIR=str(data_dir))
        assert command.process.returncode == 0, command.said
        assert command.stdout == ["Claude has not been asked anything in this task yet."]


async def test_an_unknown_task_and_no_database_are_told_in_a_sentence(database_uri: str) -> None:
    for task, uri, words in (
        (
            "no-such\x1btask",
            database_uri,
            "There is no task 'no-such\ufffdtask' in the database at ",
        ),
        ("x", "mongodb://127.0.0.1:9/x?serverSelectionTimeoutMS=10", "MongoDB"),
        ("x", "postgres://db", "HEADWATER_MONGODB_URI must begin with"),
    ):
        command = await run(task, HEADWATER_MONGODB_URI=uri)
        assert command.process.returncode == 2, command.said
        assert command.stdout == []
        (sentence,) = command.stderr
        assert sentence.startswith("headwater: ")
        assert words in sentence


async def test_where_no_database_is_none_is_made(tmp_path: Path) -> None:
    for folder in (tmp_path / "data", tmp_path):  # one that is not there, one that is empty
        command = await run("x", HEADWATER_DATA_DIR=str(folder))
        assert command.process.returncode == 2, command.said
        assert command.stdout == []
        (sentence,) = command.stderr
        assert sentence.startswith(
            f"headwater: There is no database to read, for no server has kept one in {folder}; "
        )
        assert not os.listdir(tmp_path)


async def test_it_reads_what_a_server_left_that_has_stopped(fast_dir: Path) -> None:
    data_dir = fast_dir / uuid4().hex
    async with serving_process(data_dir) as server:
        task = (await server.call("mutation", "tasks.create", title="T"))["_id"]
    command = await run(task, HEADWATER_DATA_DIR=str(data_dir))
    assert command.process.returncode == 0, command.said
    assert command.stdout == ["Claude has not been asked anything in this task yet."]
