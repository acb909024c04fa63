"""`headwater doctor`, shown what can be wrong with a database and a machine."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from server.cli.doctor import doctor
from server.cli.serving import listening_socket
from server.llm.standin import StandinServer
from server.store.connection import database_name
from tests.headwater_command import headwater
from tests.mongod import bare_mongod, unused_port
from tests.serving import serving

Client = AsyncMongoClient[Any]
Look = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]

PASSWORD, ESCAPED = "pa@rocky/w:rd", "pa%40rocky%2Fw%3Ard"
LEAST = [
    *("find", "insert", "update", "remove", "listCollections"),
    *("createIndex", "changeStream"),
]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Look:
    """Lets it look with these settings: its exit code, and what it says by name."""

    async def look(*, live: bool = False, **environment: str) -> tuple[int, dict[str, Any]]:
        for name in [one for one in os.environ if one.startswith(("HEADWATER_", "ANTHROPIC_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HEADWATER_PORT", "0")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(doctor, live=live, as_json=True)
        said = capsys.readouterr()
        assert said.err == ""
        assert "rocky" not in said.out
        told = json.loads(said.out)
        code = ended.value.code
        assert isinstance(code, int)
        assert told["ok"] == (code == 0) == all(c["state"] != "problem" for c in told["checks"])
        return code, {check["name"]: check for check in told["checks"]}

    return look


@pytest.fixture(scope="module")
async def guarded(fast_dir: Path) -> AsyncIterator[tuple[str, Client]]:
    """A replica set that lets in only whom it knows: its address, and its administrator."""
    key = fast_dir / "key"
    key.write_text(base64.b64encode(os.urandom(96)).decode())
    key.chmod(0o600)
    flags = ("--replSet", "r", "--auth", "--keyFile", str(key))
    async with bare_mongod(fast_dir / "guarded", *flags) as address:
        async with Client(f"mongodb://{address}", directConnection=True) as first:
            members = [{"_id": 0, "host": address}]
            await first.admin.command("replSetInitiate", {"_id": "r", "members": members})
        async with Client(f"mongodb://{address}", directConnection=True) as first:
            async with asyncio.timeout(60):
                while True:
                    try:
                        await first.admin.command("createUser", "root", pwd="p", roles=["root"])
                        break
                    except PyMongoError:  # it is not the primary yet
                        await asyncio.sleep(0.02)
        async with Client(f"mongodb://root:p@{address}/?replicaSet=r") as root:
            yield address, root


async def user(guarded: tuple[str, Client], name: str, *roles: Any) -> str:
    """The URI of a new user with these roles."""
    address, root = guarded
    await root.admin.command("createUser", name, pwd=PASSWORD, roles=list(roles))
    return f"mongodb://{name}:{ESCAPED}@{address}/app?authSource=admin&replicaSet=r"


async def test_all_is_well_once_a_server_has_made_its_tables(database_uri: str, look: Look) -> None:
    code, told = await look(HEADWATER_MONGODB_URI=database_uri)
    assert code == 0, told
    assert told["indexes"]["state"] == "note"
    assert "chatMessages" in told["indexes"]["says"]
    async with serving(database_uri):
        pass
    async with headwater("doctor", HEADWATER_MONGODB_URI=database_uri, HEADWATER_PORT="0") as one:
        assert await one.ended() == 0, one.said
    states = [line.split()[0] for line in one.stdout if line[:1].strip()]
    assert states == ["ok"] * 8 + ["note"], one.said
    async with AsyncMongoClient(database_uri) as client:
        names = await client[database_name(database_uri)].list_collection_names()
    assert not any("Doctor" in name for name in names)


async def test_an_index_that_stands_in_the_way_is_named(
    database_uri: str, mongo: Client, look: Look
) -> None:
    table = mongo[database_name(database_uri)].chatMessages
    await table.create_index([("taskId", 1), ("sequence", 1)], name="mine")
    code, told = await look(HEADWATER_MONGODB_URI=database_uri)
    assert code == 1
    assert told["indexes"]["says"] == (
        "others stand in the way of chatMessages.taskId_1_sequence_1"
    )
    assert "dropIndex" in told["indexes"]["cure"]


async def test_a_standalone_and_a_dead_address_are_told_with_their_cures(
    fast_dir: Path, look: Look
) -> None:
    async with bare_mongod(fast_dir / "alone") as address:
        code, told = await look(HEADWATER_MONGODB_URI=f"mongodb://{address}/x")
    assert code == 1
    assert "standalone mongod, which has no change streams" in told["MongoDB"]["says"]
    assert told["MongoDB"]["cure"].startswith("Start it with --replSet")
    assert "write" not in told
    uri = f"mongodb://me:{ESCAPED}@{address}/x?serverSelectionTimeoutMS=100"
    code, told = await look(HEADWATER_MONGODB_URI=uri)
    assert code == 1
    assert f"MongoDB at {address} cannot be reached" in told["MongoDB"]["says"]
    code, told = await look(HEADWATER_MONGODB_URI=f"mongodb://me:{PASSWORD}@{address}/x")
    assert code == 1
    assert "percent-escaped" in told["MongoDB"]["cure"]


async def test_what_a_user_may_not_is_found_and_the_role_named(
    guarded: tuple[str, Client], look: Look
) -> None:
    reads = await user(guarded, "reads", {"role": "read", "db": "app"})
    code, told = await look(HEADWATER_MONGODB_URI=reads)
    assert code == 1
    states = {name: told[name]["state"] for name in ("read", "write", "change stream", "history")}
    assert states == {"read": "ok", "write": "problem", "change stream": "ok", "history": "note"}
    assert told["write"]["cure"] == "Give this user the role readWrite on the database 'app'."
    assert told["indexes may be made"]["state"] == "problem"

    nobody = await user(guarded, "nobody")
    code, told = await look(HEADWATER_MONGODB_URI=nobody)
    assert (code, told["MongoDB"]["state"]) == (1, "problem")
    assert "who has the role readWrite" in told["MongoDB"]["cure"]

    code, told = await look(HEADWATER_MONGODB_URI=nobody.replace(ESCAPED, "wrong"))
    assert "refused the login" in told["MongoDB"]["says"]

    sees = {"role": "read", "db": "local"}
    both = await user(guarded, "both", {"role": "readWrite", "db": "app"}, sees)
    code, told = await look(HEADWATER_MONGODB_URI=both)
    assert code == 0, told
    assert "an oplog of" in told["history"]["says"]


async def test_the_least_role_serves_and_without_any_of_its_actions_something_is_amiss(
    guarded: tuple[str, Client], look: Look
) -> None:
    _, root = guarded

    def may(actions: list[str]) -> list[dict[str, Any]]:
        return [{"resource": {"db": "app", "collection": ""}, "actions": actions}]

    await root.app.command("createRole", "least", privileges=may(LEAST), roles=[])
    uri = await user(guarded, "least", {"role": "least", "db": "app"})
    async with serving(uri) as server:
        task = await server.mutation("tasks.create", title="T")
        assert await server.query("tasks.get", taskId=task["_id"]) == task
        await server.action("streaming.streamChat", taskId=task["_id"], prompt="Hello")
    code, told = await look(HEADWATER_MONGODB_URI=uri)
    assert code == 0, told
    for missing in LEAST:
        rest = [action for action in LEAST if action != missing]
        await root.app.command("updateRole", "least", privileges=may(rest))
        code, told = await look(HEADWATER_MONGODB_URI=uri)
        assert code == 1, (missing, told)


async def test_a_taken_port_is_told_and_a_server_that_is_there_already(
    database_uri: str, look: Look
) -> None:
    async with serving(database_uri) as server:
        port = server.url.rpartition(":")[2]
        code, told = await look(HEADWATER_MONGODB_URI=database_uri, HEADWATER_PORT=port)
        assert code == 0, told
        assert told["port"]["says"] == f"a server is at 127.0.0.1:{port} already"
    with listening_socket("127.0.0.1", 0) as other:
        port = str(other.getsockname()[1])
        code, told = await look(HEADWATER_MONGODB_URI=database_uri, HEADWATER_PORT=port)
    assert code == 1
    assert told["port"]["cure"].startswith("Stop what is there")


async def test_the_embedded_mongodb_is_looked_at_and_none_is_made(
    tmp_path: Path, look: Look
) -> None:
    folder = tmp_path / "data"
    code, told = await look(HEADWATER_DATA_DIR=str(folder))
    assert code == 0, told
    assert told["MongoDB"]["cure"] == "The first `serve` makes it."
    assert not os.listdir(tmp_path)
    (tmp_path / "file").write_text("")
    code, told = await look(HEADWATER_DATA_DIR=str(tmp_path / "file"))
    assert (code, told["data folder"]["state"]) == (1, "problem")
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho 'libcurl.so.4: cannot open' >&2\nexit 127\n")
    broken.chmod(0o755)
    code, told = await look(HEADWATER_DATA_DIR=str(folder), HEADWATER_MONGOD=str(broken))
    assert (code, told["mongod"]["state"]) == (1, "problem")
    assert "libcurl.so.4: cannot open" in told["mongod"]["says"]
    code, told = await look(HEADWATER_DATA_DIR=str(folder), HEADWATER_MONGOD="/nowhere")
    assert (code, told["mongod"]["cure"]) == (1, "Write the path of a mongod.")


async def test_claude_is_asked_only_live_and_the_key_is_never_shown(
    tmp_path: Path, look: Look, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"HEADWATER_DATA_DIR": str(tmp_path), "ANTHROPIC_API_KEY": "sk-ant-secret-key-1"}
    _, told = await look(**settings)
    assert told["Claude"]["says"] == "ANTHROPIC_API_KEY is set; --live tries it"
    standin = StandinServer()
    async with standin as url:
        settings["ANTHROPIC_BASE_URL"] = url
        _, told = await look(live=True, **settings)
        assert told["Claude"] == {
            "name": "Claude", "state": "ok", "says": "answers, by ANTHROPIC_API_KEY", "cure": None
        }  # fmt: skip
        assert len(standin.requests) == 1
    settings["ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{unused_port()}"
    code, told = await look(live=True, **settings)
    assert (code, told["Claude"]["state"]) == (1, "problem")
    assert "sk-ant" not in json.dumps(told)
