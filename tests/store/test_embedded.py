"""A real mongod lives exactly as long as its owner, and keeps what was written."""

import asyncio
import json
import os
import re
import select
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient

from server.core.errors import StartupError
from server.store import data_folder, embedded
from server.store.data_folder import FolderInUse
from server.store.embedded import EmbeddedMongo, join_or_start

ROOT = Path(__file__).parents[2]

OWNER = """
import asyncio, signal, sys
from pathlib import Path
from server.store.embedded import EmbeddedMongo

async def main():
    embedded, told = EmbeddedMongo(Path(sys.argv[1])), asyncio.Event()
    if sys.argv[2] == "polite":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    print(await embedded.start(), embedded.pid, flush=True)
    await told.wait()
    await embedded.stop()

asyncio.run(main())
"""


@dataclass
class Owner:
    """Another process that owns a mongod."""

    process: asyncio.subprocess.Process
    uri: str
    mongod_pidfd: int

    async def mongod_ended(self) -> bool:
        ready, _, _ = await asyncio.to_thread(select.select, [self.mongod_pidfd], [], [], 60)
        return bool(ready)


@asynccontextmanager
async def owner(data_dir: Path, manner: str = "polite") -> AsyncIterator[Owner]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, str(data_dir), manner),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    uri, pid = (await process.stdout.readline()).decode().split()
    pidfd = os.pidfd_open(int(pid))
    try:
        yield Owner(process, uri, pidfd)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        os.close(pidfd)


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[EmbeddedMongo]:
    mongo = EmbeddedMongo(data_dir)
    await mongo.start()
    try:
        yield mongo
    finally:
        await mongo.stop()


async def write(uri: str, number: int) -> None:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        await client.headwater.numbers.insert_one({"_id": number})


async def written(uri: str) -> list[int]:
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        return sorted([row["_id"] async for row in client.headwater.numbers.find()])


def port_of(uri: str) -> int:
    return int(uri.split(":")[2].split("/")[0])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - mongod and the folder set no event
            await asyncio.sleep(0.01)


@pytest.fixture
def data_dir(fast_dir: Path) -> Path:
    return fast_dir / uuid4().hex


async def test_a_warm_start_keeps_the_data_and_the_port(data_dir: Path) -> None:
    async with running(data_dir) as mongo:
        first = mongo.uri
        await write(first, 1)
    async with running(data_dir) as mongo:
        assert mongo.uri == first
        assert await written(mongo.uri) == [1]


async def test_change_streams_sessions_and_transactions_work(mongo_uri: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        rows = client[f"test_{uuid4().hex}"].rows
        async with await rows.watch() as stream:
            async with client.start_session() as session, await session.start_transaction():
                await rows.insert_one({"_id": 1}, session=session)
            assert (await stream.next())["documentKey"] == {"_id": 1}
        await client.drop_database(rows.database.name)


async def test_a_second_owner_is_refused_in_a_sentence(data_dir: Path) -> None:
    async with owner(data_dir) as first:
        with pytest.raises(FolderInUse, match="HEADWATER_DATA_DIR") as caught:
            await EmbeddedMongo(data_dir).start()
        assert caught.value.owner == first.process.pid
        assert str(data_dir) in str(caught.value)
        assert str(first.process.pid) in str(caught.value)
        assert await written(first.uri) == []


async def test_a_command_joins_the_running_one_and_leaves_it_running(data_dir: Path) -> None:
    async with owner(data_dir) as first:
        async with join_or_start(data_dir, "/nowhere/mongod") as uri:  # it needs no program
            assert uri == first.uri
            await write(uri, 1)
        assert await written(first.uri) == [1]


async def test_a_command_waits_for_an_owner_that_is_still_starting(data_dir: Path) -> None:
    async with running(data_dir) as first:
        record = data_dir / "embedded.json"
        ready = record.read_text()
        record.write_text(ready.replace(str(os.getpid()), "null"))

        async def command() -> str:
            async with join_or_start(data_dir) as uri:
                return uri

        joined = asyncio.create_task(command())
        await asyncio.sleep(0)
        assert not joined.done()
        record.write_text(ready)
        assert await joined == first.uri


async def test_a_command_does_not_believe_the_record_of_an_earlier_owner(data_dir: Path) -> None:
    os.mkdir(data_dir)  # and that one had, as is common in containers, the pid that this one has
    stale = {"uri": "mongodb://stale", "port": None, "owner": os.getpid()}
    (data_dir / "embedded.json").write_text(json.dumps(stale))
    mongo = EmbeddedMongo(data_dir)
    starting = asyncio.create_task(mongo.start())
    await until((data_dir / "owner.lock").exists)
    async with join_or_start(data_dir) as uri:
        assert uri == await starting
    await mongo.stop()


async def test_a_command_starts_one_for_itself_and_ends_it(data_dir: Path) -> None:
    async with join_or_start(data_dir) as uri:
        await write(uri, 1)
    async with running(data_dir) as mongo:
        assert await written(mongo.uri) == [1]


async def test_a_mongod_that_was_killed_is_started_again_on_its_port(data_dir: Path) -> None:
    async with running(data_dir) as mongo, AsyncMongoClient[dict[str, Any]](mongo.uri) as client:
        before, uri = mongo.pid, mongo.uri
        assert before is not None
        await client.headwater.numbers.insert_one({"_id": 1})
        os.kill(before, signal.SIGKILL)
        assert await mongo.wait_for_exit() == -signal.SIGKILL
        await client.headwater.numbers.insert_one({"_id": 2})  # the driver waits for it
        assert mongo.pid != before
        assert mongo.uri == uri
        assert await written(uri) == [1, 2]


async def test_a_stop_during_a_restart_leaves_no_mongod(data_dir: Path) -> None:
    async with running(data_dir) as mongo:
        assert mongo.pid is not None
        first = mongo.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: mongo.pid != first)
        again = os.pidfd_open(mongo.pid)
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(again, 0)
        pytest.fail("mongod outlived stop")
    os.close(again)


async def test_a_mongod_does_not_outlive_an_owner_that_was_killed(data_dir: Path) -> None:
    async with owner(data_dir) as first:
        await write(first.uri, 1)
        first.process.kill()
        await first.process.wait()
        # At once, while the old mongod still writes its last.
        async with running(data_dir) as mongo:
            assert await written(mongo.uri) == [1]
        assert await first.mongod_ended()


@pytest.mark.parametrize(("manner", "code"), [("polite", 0), ("rude", -signal.SIGTERM)])
async def test_an_owner_that_is_told_to_end_leaves_a_clean_folder(
    data_dir: Path, manner: str, code: int
) -> None:
    async with owner(data_dir, manner) as first:
        await write(first.uri, 1)
        first.process.terminate()
        assert await first.process.wait() == code
        assert await first.mongod_ended()
    assert '"exitCode":0' in (data_dir / "mongod.log").read_text().splitlines()[-1]
    async with running(data_dir) as mongo:
        assert await written(mongo.uri) == [1]


async def test_ctrl_c_does_not_reach_mongod(data_dir: Path) -> None:
    async with running(data_dir) as mongo:
        assert mongo.pid is not None
        assert os.getsid(mongo.pid) == mongo.pid != os.getsid(0)


async def test_a_taken_port_is_changed_and_the_replica_set_told(data_dir: Path) -> None:
    async with running(data_dir) as mongo:
        first = mongo.uri
        await write(first, 1)

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    stranger = await asyncio.start_server(hang_up, "127.0.0.1", port_of(first))
    async with stranger, running(data_dir) as mongo:
        second = mongo.uri
        assert second != first
        assert await written(second) == [1]
        await write(second, 2)
    async with running(data_dir) as mongo:
        assert mongo.uri == second
        assert await written(second) == [1, 2]


async def test_a_mongodb_that_took_the_port_just_before_is_left_alone(
    data_dir: Path, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose_port(_: int | None) -> int:
        return port_of(mongo_uri)

    monkeypatch.setattr(embedded, "choose_port", choose_port)
    async with AsyncMongoClient[dict[str, Any]](mongo_uri) as client:
        before = await client.admin.command("replSetGetConfig")
        with pytest.raises(StartupError, match="Address already in use"):
            await EmbeddedMongo(data_dir).start()
        after = await client.admin.command("replSetGetConfig")
    assert after["config"] == before["config"]


async def test_a_mongod_that_does_not_go_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "PREDECESSOR_TIMEOUT_S", 0.1)
    async with running(data_dir) as mongo:
        (data_dir / "owner.lock").unlink()  # as if its owner were gone
        record = (data_dir / "embedded.json").read_text()
        with pytest.raises(
            StartupError, match=rf"process {mongo.pid}\).*{re.escape(str(data_dir))}"
        ):
            await EmbeddedMongo(data_dir).start()
        assert (data_dir / "embedded.json").read_text() == record


async def test_damaged_data_are_reported_in_mongods_own_words(data_dir: Path) -> None:
    async with running(data_dir):
        pass
    (data_dir / "mongodb" / "WiredTiger.turtle").write_bytes(b"\0" * 4096)
    for _ in range(2):  # the first failure has given the folder back
        with pytest.raises(StartupError, match=r"corruption.*mongod\.log.*HEADWATER_MONGODB_URI"):
            await EmbeddedMongo(data_dir).start()


async def test_a_program_that_is_no_mongod_is_reported_in_its_own_words(data_dir: Path) -> None:
    with pytest.raises(StartupError, match=r"exit code.*unrecognized option '--dbpath'"):
        await EmbeddedMongo(data_dir, "/bin/ls").start()


async def test_a_folder_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(StartupError, match=r"cannot be used.*HEADWATER_DATA_DIR"):
        await EmbeddedMongo(Path(__file__) / "below a file").start()


async def test_a_damaged_record_is_as_none(data_dir: Path) -> None:
    async with running(data_dir):
        pass
    (data_dir / "embedded.json").write_bytes(b"")
    async with running(data_dir) as mongo:
        record = json.loads((data_dir / "embedded.json").read_text())
        assert record["uri"] == mongo.uri
        assert record["owner"] == os.getpid()


async def test_the_log_of_a_running_mongod_stays_within_its_bound(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOG_BYTES_MAX", 1000)
    monkeypatch.setattr(embedded, "LOG_CHECK_S", 0.01)
    log = data_dir / "mongod.log"
    async with running(data_dir):
        await until(lambda: (data_dir / "mongod.old.log").exists() and log.stat().st_size <= 1000)
    lines = log.read_text().splitlines()
    assert '"exitCode":0' in lines[-1]
    assert all(line.startswith("{") for line in lines)
