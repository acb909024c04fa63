"""`headwater serve` as a process: how it starts, what it refuses, how it ends, what it survives."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from socket import socket
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pymongo import AsyncMongoClient

from server.cli.target import load_app
from server.core.errors import StartupError
from server.store.embedded import EmbeddedMongo, join_or_start
from tests.headwater_command import Command, Server, headwater, serving_process, watched
from tests.mongod import bare_mongod, unused_port
from tests.sse import Event, Follower, apply_patch, events_of

TEXT_ENOUGH = 40
"""A reply of so many characters has surely begun, and the stand-in's has hundreds of words."""


@pytest.fixture
def data_dir(fast_dir: Path) -> Path:
    return fast_dir / uuid4().hex


def assert_one_sentence(command: Command, *words: str) -> None:
    """It said why it cannot start, in one line, and nothing else."""
    assert command.stdout == []
    assert len(command.stderr) == 1, command.said
    assert command.stderr[0].startswith("headwater: ")
    for word in words:
        assert word in command.stderr[0], command.said


async def refusal(*arguments: str, **environment: str) -> Command:
    """Run what must be refused with exit code 2."""
    async with headwater(*arguments, **environment) as command:
        assert await command.ended() == 2, command.said
        return command


def text_of(messages: list[Any]) -> str:
    parts = messages[-1]["parts"] if messages else []
    return "".join(part["text"] for part in parts if part["type"] == "text")


async def stored_messages(data_dir: Path) -> list[dict[str, Any]]:
    """The messages in a data folder that nobody serves."""
    async with join_or_start(data_dir) as uri, AsyncMongoClient[dict[str, Any]](uri) as client:
        messages = client.headwater.chatMessages.find(sort=[("sequence", 1)])
        return [message async for message in messages]


# --- starting ----------------------------------------------------------------------------------


async def test_it_says_where_everything_is_and_keeps_what_was_written(data_dir: Path) -> None:
    async with serving_process(data_dir) as server:
        assert (await server.readiness()).json()["status"] == "ready"
        assert "<title>Headwater</title>" in (await server.http.get("/")).text
        task = await server.call("mutation", "tasks.create", title="Rivers")
        mongodb = (await server.command.line(r"MongoDB +embedded, (mongodb://\S+)$"))[1]
        async with AsyncMongoClient[dict[str, Any]](mongodb) as client:
            assert await client.headwater.tasks.find_one({"_id": task["_id"]})
        await server.command.line(f"data in {data_dir}$")
        await server.command.line("the stand-in answers: set ANTHROPIC_API_KEY")
        server.command.process.terminate()
        assert await server.command.ended() == 0
        assert server.command.stderr == []
    async with serving_process(data_dir) as server:
        assert await server.call("query", "tasks.list") == [task]


async def test_the_banner_shows_paths_and_hosts_as_they_are(fast_dir: Path) -> None:
    odd = fast_dir / "[red]a folder[/red] of a rather long name, so that the line is long as well"
    async with serving_process(odd, "--host", "::1", HEADWATER_STANDIN="false") as server:
        assert server.url.startswith("http://[::1]:")
        await server.command.line(f"data in {odd}$".replace("[", r"\["))
        await server.command.line("callers bring their keys")


async def test_an_app_in_a_file_is_served(fast_dir: Path, database_uri: str) -> None:
    file = fast_dir / "rivers.py"
    file.write_text(
        "import sys\n"
        "from server.app import create_app\n"
        "from server.runtime import QueryCtx, query\n"
        "@query\n"
        "async def longest(ctx: QueryCtx) -> str:\n"
        "    return 'Nile'\n"
        "app = create_app(functions=[sys.modules[__name__]])\n"
    )
    target = f"{file}:app"
    async with serving_process(None, target, HEADWATER_MONGODB_URI=database_uri) as server:
        assert await server.call("query", "rivers.longest") == "Nile"


# --- refusing to start -------------------------------------------------------------------------


async def test_a_port_in_use_is_refused() -> None:
    with closing(socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        command = await refusal("serve", HEADWATER_PORT=port)
    assert_one_sentence(command, f"127.0.0.1:{port}", "already in use", "HEADWATER_PORT")


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("HEADWATER_PORT", "http", "from 0 to 65535"),
        ("HEADWATER_MONGOD", "/nowhere/mongod", "path of a mongod"),
        ("HEADWATER_MONGODB_URI", "postgres://db", "mongodb://"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_refused(
    data_dir: Path, name: str, value: str, cure: str
) -> None:
    settings = {"HEADWATER_PORT": "0", "HEADWATER_DATA_DIR": str(data_dir), name: value}
    assert_one_sentence(await refusal("serve", **settings), name, cure)


async def test_a_mongodb_that_cannot_be_reached_is_refused() -> None:
    uri = f"mongodb://127.0.0.1:{unused_port()}/?serverSelectionTimeoutMS=100"
    command = await refusal("serve", HEADWATER_PORT="0", HEADWATER_MONGODB_URI=uri)
    assert_one_sentence(command, "127.0.0.1", "cannot be reached", "start it")


async def test_a_standalone_mongod_is_refused(fast_dir: Path) -> None:
    async with bare_mongod(fast_dir / uuid4().hex) as host:
        uri = f"mongodb://{host}/"
        command = await refusal("serve", HEADWATER_PORT="0", HEADWATER_MONGODB_URI=uri)
    assert_one_sentence(command, "standalone", "--replSet", "rs.initiate()")


async def test_a_target_that_is_no_app_is_refused() -> None:
    command = await refusal("serve", "nowhere.py:app", HEADWATER_PORT="0")
    assert_one_sentence(command, "nowhere.py:app", "file.py:app or module:app")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere.py", "no app at 'nowhere.py'"),
        ("no.such.module:app", "no app at 'no.such.module:app'"),
        ("tests.no_such_module:app", "no app at 'tests.no_such_module:app'"),
        ("a folder/app:app", "no app at 'a folder/app:app'"),
        (":app", "no app at ':app'"),
        ("json:dumps", "json has a function called 'dumps', not a Headwater app"),
        ("json", "json has no 'app'"),
    ],
)
def test_a_target_is_refused_in_a_sentence(
    target: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(StartupError) as caught:
        load_app(target)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import a_module_that_nobody_has", "No module named 'a_module_that_nobody_has'"),
        ("import os\nos.environ['A_TOKEN']", "KeyError: 'A_TOKEN'"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_what_fails_in_an_apps_own_code_is_told_from_there_on(
    code: str,
    said: str,
    fast_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = fast_dir / "lacking.py"
    file.write_text(f"{code}\n")
    with pytest.raises(StartupError, match=r"lacking\.py cannot be imported"):
        load_app(f"{file}:app")
    told = capsys.readouterr().err
    assert said in told
    files = [line for line in told.splitlines() if line.startswith("  File ")]
    assert str(file) in files[0], "not what led there"


async def test_a_second_server_on_one_folder_is_refused(data_dir: Path) -> None:
    async with serving_process(data_dir) as server:
        command = await refusal("serve", HEADWATER_PORT="0", HEADWATER_DATA_DIR=str(data_dir))
        assert_one_sentence(command, str(data_dir), f"process {server.command.process.pid};")
        assert (await server.readiness()).status_code == 200


async def test_no_password_and_no_key_is_printed(mongo_uri: str) -> None:
    uri = mongo_uri.replace("://", "://zoe:s3cret@") + "&authSource=admin"
    settings = {"HEADWATER_MONGODB_URI": uri, "ANTHROPIC_API_KEY": "sk-ant-s3cret"}
    command = await refusal("serve", HEADWATER_PORT="0", **settings)
    assert_one_sentence(command, "refused the login")
    assert "s3cret" not in command.said
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        rights = {"pwd": "s3cret", "roles": ["readWriteAnyDatabase"]}
        await client.admin.command("createUser", "zoe", **rights)
        try:
            async with serving_process(None, **settings) as server:
                await server.command.line(r"MongoDB  127\.0\.0\.1:\d+$")
                await server.command.line("by ANTHROPIC_API_KEY")
                server.command.process.terminate()
                assert await server.command.ended() == 0
        finally:
            await client.admin.command("dropUser", "zoe")
    assert "s3cret" not in server.command.said
    assert "zoe" not in server.command.said


# --- ending ------------------------------------------------------------------------------------


async def read_to_the_end(response: httpx2.Response, seen: Callable[[Event], None]) -> None:
    """Read a stream whose body must come to its proper end; a reset raises."""
    assert response.status_code == 200
    async for event in events_of(response):
        seen(event)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_ends_streams_and_replies_and_leaves_nothing(
    data_dir: Path, number: signal.Signals
) -> None:
    async with serving_process(data_dir) as server, AsyncExitStack() as stack:
        task = await server.call("mutation", "tasks.create", title="Rivers")
        args = {"taskId": task["_id"]}
        follower = Follower(server.http, {"m": ("messages.byTask", args)})
        shown: list[Any] = []

        def see_live(event: Event) -> None:
            change = event.data
            shown[:] = (
                change["snapshot"] if "snapshot" in change else apply_patch(shown, change["patch"])
            )

        async def follow(url: str, seen: Callable[[Event], None]) -> None:
            async with server.http.stream("GET", url, timeout=None) as response:
                await read_to_the_end(response, seen)

        url = httpx2.URL(
            "/api/live/messages.byTask", params={"args": f'{{"taskId":"{task["_id"]}"}}'}
        )
        streams = [
            asyncio.create_task(follow(follower.url(), follower.take)),
            asyncio.create_task(follow(str(url), see_live)),
        ]
        await follower.until(lambda f: "m" in f.values)
        await server.call("action", "streaming.streamChat", prompt="Why do they bend?", **args)
        await follower.until(lambda f: len(text_of(f.values["m"])) > TEXT_ENOUGH)
        mongod_ended = await stack.enter_async_context(watched(server.mongod_pid))
        os.killpg(
            server.command.process.pid, number
        )  # like a terminal: to all that are in its group
        async with asyncio.timeout(60):
            await asyncio.gather(*streams)
        assert await server.command.ended() == 0, server.command.said
        await mongod_ended()
        assert server.command.stderr == []
    reply = (await stored_messages(data_dir))[-1]
    assert reply["status"] == "INTERRUPTED"
    kept = "".join(
        chunk for part in reply["parts"] if part["type"] == "text" for chunk in part["text"]
    )
    assert kept.startswith(text_of(follower.values["m"]))
    assert text_of(shown)
    assert "lease" not in reply


async def test_told_to_stop_while_it_starts_it_stops_without_a_word(data_dir: Path) -> None:
    settings = {"HEADWATER_PORT": "0", "HEADWATER_DATA_DIR": str(data_dir)}
    async with headwater("serve", **settings) as command:
        async with asyncio.timeout(60):
            while not (data_dir / "mongodb" / "mongod.lock").exists():  # noqa: ASYNC110 - a file sets no event
                await asyncio.sleep(0.005)
        command.process.terminate()
        assert await command.ended() == 0
        assert command.stderr == command.stdout == []
    async with serving_process(data_dir):
        pass


# --- surviving ---------------------------------------------------------------------------------


async def write_and_see(server: Server, followers: list[Follower], title: str) -> None:
    """A write now reaches every follower, and each holds what a query gives."""
    await server.call("mutation", "tasks.create", title=title)
    for follower in followers:
        await follower.until(lambda f: [t["title"] for t in f.values["t"]][:1] == [title], 60)
    fresh = await server.call("query", "tasks.list")
    for follower in followers:
        assert follower.values["t"] == fresh


async def test_a_mongod_that_is_killed_comes_back_and_streams_go_on(data_dir: Path) -> None:
    async with serving_process(data_dir) as server:
        follower = Follower(server.http, {"t": ("tasks.list", {})})
        async with follower.following():
            await follower.until(lambda f: "t" in f.values)
            await write_and_see(server, [follower], "before")
            os.kill(server.mongod_pid, signal.SIGKILL)
            refused = await server.becomes(503)
            assert refused.json()["error"]["code"] == "unavailable"
            assert "database cannot be reached" in refused.json()["error"]["message"]
            await server.becomes(200)
            await write_and_see(server, [follower], "after")
            assert [task["title"] for task in follower.values["t"]] == ["after", "before"]
            server.command.process.terminate()
            assert await server.command.ended() == 0
        assert "Traceback" not in server.command.said


async def test_a_server_that_is_killed_takes_its_mongod_along(data_dir: Path) -> None:
    async with serving_process(data_dir) as server:
        task = await server.call("mutation", "tasks.create", title="Rivers")
        async with watched(server.mongod_pid) as mongod_ended:
            server.command.process.kill()
            await mongod_ended()
    async with serving_process(data_dir) as server:
        assert await server.call("query", "tasks.list") == [task]


async def test_a_database_that_goes_and_comes_back_leaves_the_server_up(data_dir: Path) -> None:
    mongo = EmbeddedMongo(data_dir)
    await mongo.start()
    try:
        async with serving_process(None, HEADWATER_MONGODB_URI=mongo.uri) as server:
            follower = Follower(server.http, {"t": ("tasks.list", {})})
            async with follower.following():
                await follower.until(lambda f: "t" in f.values)
                await write_and_see(server, [follower], "before")

                await mongo.stop()
                assert "database" in (await server.becomes(503)).json()["error"]["message"]
                assert (await server.http.get("/healthz")).status_code == 200
                late = await server.http.post("/api/query/tasks.list", json={})
                assert late.status_code == 503
                assert late.json()["error"]["retry"] == "after"
                await mongo.start()
                await server.becomes(200)
                await write_and_see(server, [follower], "after it was away")

                assert mongo.pid is not None
                os.kill(mongo.pid, signal.SIGSTOP)
                try:
                    assert "database" in (await server.becomes(503)).json()["error"]["message"]
                finally:
                    os.kill(mongo.pid, signal.SIGCONT)
                await server.becomes(200)
                await write_and_see(server, [follower], "after it was frozen")
                server.command.process.terminate()
                assert await server.command.ended() == 0
            assert "Traceback" not in server.command.said
    finally:
        await mongo.stop()


def test_a_file_that_would_hide_a_module_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "schemas.py"
    file.write_text("app = None\n", "utf-8")
    with pytest.raises(StartupError, match="another name"):
        load_app(f"{file}:app")
