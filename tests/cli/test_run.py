"""`headwater run` and `headwater functions`, against a real server."""

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import pytest

from server.cli import main
from server.cli.functions import _written
from server.client.functions import Argument
from tests import board
from tests.headwater_command import Command, headwater
from tests.mongod import unused_port
from tests.serving import Running, http_server

SECRET = "hush-0123456789"


class Ended(NamedTuple):
    """A command that was run in this process, which saves it the start of another."""

    code: int
    stdout: list[str]
    stderr: list[str]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[Ended]]:
    async def run_here(*arguments: str, stdin: str = "") -> Ended:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["headwater", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        monkeypatch.setenv("COLUMNS", "200")

        def body() -> int:
            with redirect_stdout(out), redirect_stderr(err):
                try:
                    main()
                except SystemExit as ended:
                    return int(ended.code or 0)
            return 0

        code = await asyncio.to_thread(body)
        return Ended(code, out.getvalue().splitlines(), err.getvalue().splitlines())

    return run_here


async def run(*arguments: str, **environment: str) -> Command:
    async with headwater(*arguments, **environment) as command:
        await command.ended()
    return command


async def test_each_kind_of_function_is_called_by_its_name_alone(
    board_server: Running, here: Any, topic: str
) -> None:
    async def value_of(*arguments: str, stdin: str = "") -> Any:
        ended = await here("run", *arguments, "--json", "--url", board_server.url, stdin=stdin)
        assert ended.code == 0, ended
        (line,) = ended.stdout
        return json.loads(line)

    key = ("--idempotency-key", topic)
    given = json.dumps({"topic": topic, "text": "lost"})
    note = await value_of("board.add", given, "text=00123", *key)
    assert (note["topic"], note["text"]) == (topic, "00123"), "a text is a text, digits or not"
    same = json.dumps({"topic": topic, "text": "00123"})
    assert await value_of("board.add", "-", *key, stdin=same) == note
    assert await value_of("board.notes", f"topic={topic}", "limit=5") == [note]
    gate = board.gates[topic] = board.Gate()
    gate.go.set()
    waited = await value_of("board.work", f"gate={topic}", "--wait")
    assert waited == {"phase": "ended", "start": 1}


async def test_the_settings_say_where_and_the_environment_who(board_server: Running) -> None:
    port = board_server.url.rpartition(":")[2]
    command = await run("run", "board.whoami", HEADWATER_PORT=port, HEADWATER_BEARER=SECRET)
    assert command.process.returncode == 0, command.said
    assert json.loads("".join(command.stdout))["id"] == SECRET
    named = await run("run", "board.whoami", "-H", "X-User: ada", HEADWATER_PORT=port)
    assert json.loads("".join(named.stdout))["id"] == "ada"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["board.addThenRaise", "topic=t", "fail=forbidden"], 1, "Not you. (forbidden)"),
        (["board.notes"], 1, "topic: it is missing. (invalid_arguments)"),
        (["board.nots"], 2, "has no function 'board.nots'; is it board.notes"),
        (["board.secrets"], 2, "`headwater functions` lists them."),
        (["board.notes", "topic"], 2, "board.notes takes topic, limit?."),
        (["board.notes", "{"], 2, "'{' is no JSON"),
        (["board.notes", "-"], 2, "Standard input is no JSON object of arguments by name."),
        (["board.notes", "topic=t", "--wait"], 2, "--wait is for actions"),
        (["board.notes", "topic=t", "-H", f"X-User: {SECRET}\n1"], 2, "The header 'X-User'"),
        (["board.notes", "topic=t", "-H", SECRET], 2, "A header is written as 'Name: value'."),
    ],
)
async def test_what_goes_wrong_is_one_sentence_and_an_exit_code(
    board_server: Running, here: Any, arguments: list[str], code: int, sentence: str
) -> None:
    command = await here("run", *arguments, "--url", board_server.url, stdin="[]")
    assert command.code == code, command
    assert command.stdout == []
    (line,) = command.stderr
    assert line.startswith("headwater: ")
    assert sentence in line
    assert SECRET not in line


@pytest.mark.parametrize("command", ["run", "watch", "functions"])
async def test_no_server_is_said_in_a_sentence(here: Any, command: str) -> None:
    for url, sentence in {
        f"http://127.0.0.1:{unused_port()}": "Start one by `headwater serve`, or name it by --url.",
        "nowhere": "The server's address is such as http://127.0.0.1:8000",
    }.items():
        ended = await here(command, "board.notes", "--url", url)
        assert ended.code == 2, ended
        (line,) = ended.stderr
        assert sentence in line


async def test_another_server_is_said_in_a_sentence_and_commands_no_terminal(here: Any) -> None:
    async def rude(scope: object, receive: object, send: object) -> None:
        body = {"paths": {"/api/query/a.b": {"post": {"summary": "\x1b[31mred\x9b1m"}}}}
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})  # type: ignore[operator]

    async with http_server(rude) as url:
        ended = await here("functions", "--url", url)
    assert ended.code == 2
    assert ended.stderr == [
        "headwater: What the server says of its functions cannot be read. "
        "Name another server by --url."
    ]


async def test_functions_are_listed_with_kind_arguments_and_what_they_are_for(
    board_server: Running, here: Any
) -> None:
    listed = await here("functions", "board", "--url", board_server.url)
    lines = [line.rstrip() for line in listed.stdout]
    place = lines.index("query     board.notes topic:string limit?:integer=50")
    assert lines[place + 1].strip() == "Notes of a topic."
    assert not any("board.secrets" in line for line in lines), "an internal one is not"
    asked = await here("functions", "--json", "--url", board_server.url)
    found = {one["name"]: one for one in json.loads(asked.stdout[0])}
    assert found["board.notes"] == {
        "name": "board.notes",
        "kind": "query",
        "summary": "Notes of a topic.",
        "arguments": [
            {"name": "topic", "type": "string", "required": True},
            {"name": "limit", "type": "integer", "required": False, "default": 50},
        ],
    }
    none = await here("functions", "nothing", "--url", board_server.url)
    assert none.stdout == ["There are none."]


async def test_the_shell_completes_functions_of_the_running_server(board_server: Running) -> None:
    shell = {
        "_HEADWATER_COMPLETE": "complete_bash",
        "HEADWATER_PORT": board_server.url.rpartition(":")[2],
    }
    for word, expected in {"board.li": ["board.like", "board.likeAlone", "board.liked"]}.items():
        done = await run(COMP_WORDS=f"headwater run {word}", COMP_CWORD="2", **shell)
        assert sorted(done.stdout)[:3] == expected, done.said
    nobody = {**shell, "HEADWATER_PORT": str(unused_port())}
    done = await run(COMP_WORDS="headwater run b", COMP_CWORD="2", **nobody)
    assert ("".join(done.stdout), done.stderr) == ("", [])


def test_an_argument_of_several_types_is_written_in_one_piece() -> None:
    written = _written(Argument("kind", '"a" | "b"', required=False, default="a", is_text=True))
    assert written.replace("\u00a0", " ") == 'kind?:"a" | "b"="a"'
    assert " " not in written, "a terminal would break it there"
