"""A sidecar in a process of its own, beside a real server: the coding agent's whole story."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.cli.serving import listening_socket
from server.cli.sidecar import sidecar as sidecar_command
from server.core.errors import StartupError
from server.functions import streaming
from server.llm.standin import Reply, StandinServer, Text, ToolUse
from server.sidecar import limits, offers
from server.store.connection import database_name
from tests.functions.chat import begin
from tests.headwater_command import headwater
from tests.serving import Running, serving
from tests.sidecar.test_command import gone
from tests.sidecar.workspaces import Workspace, sidecar, workspace
from tests.sse import Follower


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    """One server for all of them; each has a task of its own."""
    uri = mongo_uri.replace("/headwater?", "/sidecar?")
    seconds, streaming.sweep.seconds = streaming.sweep.seconds, 0.1
    standin = StandinServer()
    async with standin, serving(uri, standin=standin) as running:
        yield running
    streaming.sweep.seconds = seconds


@pytest.fixture(scope="module")
async def shared(
    server: Running, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Workspace]:
    """One workspace with a sidecar, for tests that leave both as they were."""
    folder = tmp_path_factory.mktemp("shared")
    async with (
        workspace(server, folder / "work") as at,
        sidecar(at, MY_SECRET_KEY="seen", ANTHROPIC_API_KEY="seen"),
    ):
        yield at


async def test_the_whole_story_of_a_coding_agent(server: Running, tmp_path: Path) -> None:
    async with workspace(server, tmp_path / "work") as at, sidecar(at) as command:
        server.script.add(
            Reply([ToolUse("write_file", {"path": "src/a.py", "content": "print(1)\nx = 2\n"})]),
            Reply([
                ToolUse("read_file", {"path": "src/a.py"}),
                ToolUse("list_files", {"recursive": True}),
            ]),
            Reply([
                ToolUse("run_command", {"command": "cat src/a.py; echo oh >&2; mv src/a.py b.py"}),
            ]),
            Reply([Text(["It ", "prints."])]),
        )  # fmt: skip
        message = await begin(server, at.task, "Write it and run it", offers())
        await at.until("messages", lambda all_: bool(all_) and all_[-1]["status"] == "COMPLETED")
        assert at.seen.values["messages"][-1]["_id"] == message
        told = {call["toolName"]: call["result"] for call in at.seen.values["calls"]}
        assert told["write_file"] == {"created": True, "size": 15}
        assert told["read_file"] == {"content": "print(1)\nx = 2\n", "size": 15}
        listed = told["list_files"]["entries"]
        assert [one["path"] for one in listed] == ["src", "src/a.py"]
        assert told["run_command"] == {
            "exitCode": 0, "stdout": "print(1)\nx = 2\n", "stderr": "oh\n",
        }  # fmt: skip
        output = await at.terminal("oh\n")
        assert output == [
            ("stdout", "$ cat src/a.py; echo oh >&2; mv src/a.py b.py\nprint(1)\nx = 2\n"),
            ("stderr", "oh\n"),
        ]
        files = await at.until("files", lambda files: files[-1:] and files[-1]["path"] == "b.py")
        assert sum(one["additions"] for one in files) == 2
        assert files[-1]["changeType"] in ("RENAME", "CREATE")  # made and moved within a scan
        logs = await at.until("logs", lambda logs: [o["status"] for o in logs] == ["COMPLETED"] * 4)
        assert {log["toolName"] for log in logs} == {one["name"] for one in offers()}
        assert at.seen.values["health"]["directory"] == str(at.directory)
        command.process.send_signal(signal.SIGTERM)
        health = await at.until("health", lambda health: health["status"] == "gone")
        assert health["message"] == "It was stopped."
        assert await command.ended() == 0, command.said
        assert command.stderr == []


async def test_paths_that_leave_the_directory_are_refused(shared: Workspace) -> None:
    outside = shared.directory.parent / "secret"
    outside.write_text("secret")
    (shared.directory / "link").symlink_to(outside)
    (shared.directory / "folder").symlink_to(shared.directory.parent)
    for path in ("../secret", str(outside), "link", "folder/secret", "x/../../secret"):
        for tool, more in (("read_file", {}), ("write_file", {"content": "x"}), ("list_files", {})):
            call = await shared.call(tool, path=path, **more)
            assert call["status"] == "FAILED", (tool, path)
            assert "secret'" not in str(call.get("result"))
        call = await shared.call("run_command", command="pwd", directory=path)
        assert call["status"] == "FAILED"
    assert outside.read_text() == "secret"


async def test_arguments_that_do_not_fit_are_told_to_claude(shared: Workspace) -> None:
    call = await shared.call("read_file", path=3, secret="sk-1")
    assert call["status"] == "FAILED"
    assert "path: Input should be a valid string" in call["error"]["message"]
    assert "sk-1" not in call["error"]["message"]
    call = await shared.call("run_command", command="true", timeout_seconds=10_000)
    assert "timeout_seconds" in call["error"]["message"]


async def test_a_tool_of_somebody_else_is_left_alone(shared: Workspace) -> None:
    other = await shared.call("deploy", wait=False)
    await shared.call("list_files")
    assert (await shared.ended(other["_id"], "PENDING"))["claims"] == 0


async def test_commands_see_no_secrets(shared: Workspace) -> None:
    call = await shared.call("run_command", command="env")
    assert "seen" not in call["result"]["stdout"]
    assert "PATH=" in call["result"]["stdout"]


async def test_a_flood_is_cut_with_a_mark_and_ended(shared: Workspace) -> None:
    call = await shared.call("run_command", command="yes flood")
    assert call["status"] == "FAILED"
    assert "It was killed because it wrote more than" in call["error"]["message"]
    parts = await shared.terminal("[It was killed because it wrote more than")
    shown = "".join(text for _, text in parts)
    assert f"[What comes after {limits.OUTPUT_CHARACTERS_MAX:,} characters is left out.]" in shown
    assert len(shown) < limits.OUTPUT_CHARACTERS_MAX + 10_000


async def test_a_command_over_its_time_is_killed_with_its_children(shared: Workspace) -> None:
    command = "setsid sleep 1000 & echo child $!; sleep 1000"
    for seconds in (1, 5, 25):  # on a slow machine it may not even have begun
        call = await shared.call("run_command", command=command, timeout_seconds=seconds)
        said: str = call["error"]["message"]
        assert said.startswith(f"It was killed because it took longer than {seconds} s.")
        if "child " in said:
            break
    await gone(int(said.split("child ")[1].split()[0]))


async def test_a_call_that_is_cancelled_is_killed(shared: Workspace) -> None:
    call = await shared.call("run_command", command="echo pid $$; sleep 1000", wait=False)
    pid = await _pid(shared)
    await shared.server.mutation(
        "toolCallTracking.updateResult", toolCallId=call["toolCallId"], status="FAILED"
    )
    await gone(pid)


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("killed", [True, False])
async def test_what_a_sidecar_held_is_offered_again_or_has_failed(
    server: Running, tmp_path: Path, idempotent: bool, killed: bool
) -> None:
    async with (
        workspace(server, tmp_path / "work") as at,
        AsyncMongoClient[dict[str, Any]](server.app.mongodb_uri, w="majority") as mongo,
    ):
        database = mongo[database_name(server.app.mongodb_uri)]
        command_line = "[ -e second ] && exit 7; echo pid $$; sleep 1000"
        async with sidecar(at) as first:
            call = await at.call("run_command", command=command_line, wait=False)
            await database["agentTools"].update_one(
                {"_id": call["_id"]}, {"$set": {"idempotent": idempotent}}
            )
            pid = await _pid(at)
            first.process.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
            await gone(pid)
            assert await first.ended() == (-9 if killed else 0)
        if killed:
            await _silent_for(database, at.task, 10)
            now = await server.query("tasks.getWorkspaceStatus", taskId=at.task)
            assert now["status"] == "healthy"
            await _silent_for(database, at.task, 31)
            await at.until("health", lambda health: health["status"] == "degraded")
            await _silent_for(database, at.task, 61)
            await at.until("health", lambda health: health["status"] == "gone")
            assert (await at.ended(call["_id"], "RUNNING"))["claims"] == 1
            over = [{"$set": {"expiresAt": {"$subtract": ["$$NOW", 1]}}}]
            await database["agentTools"].update_one({"_id": call["_id"]}, over)
        else:
            await at.until("health", lambda health: health["status"] == "gone")
        if not idempotent:
            failed = await at.ended(call["_id"])
            assert "may have had its effect" in failed["error"]["message"]
            return
        await at.ended(call["_id"], "PENDING")
        (at.directory / "second").touch()
        async with sidecar(at):
            again = await at.ended(call["_id"])
            assert (again["result"]["exitCode"], again["claims"]) == (7, 2)


async def test_output_is_neither_lost_nor_doubled_while_the_server_is_away(
    database_uri: str, tmp_path: Path
) -> None:
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    script = "i=0; while [ ! -e stop ]; do i=$((i+1)); echo line $i; sleep 0.01; done"
    async with AsyncExitStack() as running:
        async with (
            serving(database_uri, port=port) as first,
            workspace(first, tmp_path / "work") as at,
        ):
            arguments = ("--task", at.task, "--dir", str(at.directory), "--url", first.url)
            command = await running.enter_async_context(headwater("sidecar", *arguments))
            await command.line("Ctrl-C")
            call = await at.call("run_command", command=script, wait=False)
            await at.terminal("line 20\n")
        await asyncio.sleep(0.5)  # output gathers while nobody takes it
        async with serving(database_uri, port=port) as second:
            at.seen = Follower(second.http, at.seen.queries)
            at.server = second
            async with at.seen.following():
                await at.terminal("line 100\n")
                (at.directory / "stop").touch()
                ended = await at.ended(call["_id"])
                assert ended["status"] == "COMPLETED"
                last = ended["result"]["stdout"].split()[-1]
                lines = "".join(text for _, text in await at.terminal(f"line {last}\n"))
                assert lines.splitlines()[1:] == [f"line {n}" for n in range(1, int(last) + 1)]


def test_what_keeps_it_from_starting_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HEADWATER_NATIVE", raising=False)
    monkeypatch.setenv("HEADWATER_TASK", "t")
    monkeypatch.setenv("HEADWATER_DIR", str(tmp_path))
    with pytest.raises(StartupError, match="Name the task by --task"):
        sidecar_command()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("HEADWATER_URL", "http://127.0.0.1:9")
    with pytest.raises(StartupError, match="is no directory"):
        sidecar_command(task="t", directory=tmp_path / "none")
    assert "HEADWATER_NATIVE=true only" in capsys.readouterr().err
    monkeypatch.setenv("HEADWATER_NATIVE", "true")
    with pytest.raises(StartupError, match="is no directory"):
        sidecar_command(directory=tmp_path / "none")
    assert capsys.readouterr().err == ""


async def test_a_task_that_is_not_there_is_refused(server: Running, tmp_path: Path) -> None:
    arguments = ("--task", "none", "--dir", str(tmp_path), "--url", server.url)
    async with headwater("sidecar", *arguments) as command:
        assert await command.ended() == 2
        assert command.stderr == ["headwater: There is no Task 'none'."]


async def test_in_a_container_the_environment_says_what_to_serve(
    server: Running, tmp_path: Path
) -> None:
    async with workspace(server, tmp_path / "work") as at:
        environment = {
            "HEADWATER_NATIVE": "true", "HEADWATER_TASK": at.task,
            "HEADWATER_DIR": str(at.directory), "HEADWATER_URL": server.url,
        }  # fmt: skip
        async with headwater("sidecar", **environment) as command:
            await at.until("health", lambda health: health["status"] == "healthy")
            command.process.send_signal(signal.SIGINT)
            assert await command.ended() == 0


def test_the_offers_are_ones_that_the_server_takes() -> None:
    from server.functions.tool_offers import ToolOffer, offered_tools

    made = offered_tools([ToolOffer.model_validate(one) for one in offers(approval=True)], {})
    assert [one.name for one in made if not one.idempotent] == ["run_command"]
    assert [one.name for one in made if one.approval] == ["run_command"]


async def _pid(at: Workspace) -> int:
    """Of the command that told it last."""
    parts = await at.terminal("\npid ")
    return int("".join(text for _, text in parts).rpartition("\npid ")[2].split()[0])


async def _silent_for(database: Any, task: str, seconds: int) -> None:
    silent = [{"$set": {"lastSeenAt": {"$subtract": ["$$NOW", seconds * 1000]}}}]
    await database["workspaceStatus"].update_one({"_id": task}, silent)
