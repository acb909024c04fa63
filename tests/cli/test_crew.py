"""`headwater serve --workers` and `--reload`: one socket, processes that follow one another."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from server.cli.crew import run_crew
from server.core.errors import StartupError
from tests.headwater_command import headwater, serving_process

APP = """
from server.app import create_app
from server.runtime import QueryCtx, query
from server.settings import Settings


@query
def answer(ctx: QueryCtx) -> int:
    return {answer}


app = create_app(Settings(), functions=[__name__])
"""

MENDED_AS_IT_ENDS = """
import os
from pathlib import Path

Path(__file__).write_text({mended!r})
os._exit(1)
"""


def workers_of(parent: int) -> list[int]:
    """The server processes that a process keeps."""
    found: list[int] = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(OSError):  # it has ended meanwhile
            if b"server.cli.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def is_there(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again: nothing tells of other processes' ends and beginnings."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def asked(http: httpx2.AsyncClient, name: str) -> int:
    """Ask until somebody answers; connections that a dead worker had are made anew."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await http.post(f"/api/query/{name}", json={})
                if answer.status_code == 200:
                    return answer.json()["value"]
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.05)


async def answers(http: httpx2.AsyncClient, answer: int) -> None:
    """Wait until that is the answer."""
    async with asyncio.timeout(60):
        while await asked(http, "answers.answer") != answer:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_workers_share_a_port_one_follows_another_and_none_is_left(fast_dir: Path) -> None:
    data_dir = fast_dir / uuid4().hex
    async with serving_process(data_dir, "--workers", "2") as server:
        await server.command.line(f"data in {data_dir}$")
        parent = server.command.process.pid
        mongod = server.mongod_pid
        first = workers_of(parent)
        assert len(first) == 2
        task = await server.call("mutation", "tasks.create", title="T")
        os.kill(first[0], signal.SIGKILL)
        await until(lambda: bool(set(workers_of(parent)) - set(first)))
        async with httpx2.AsyncClient(base_url=server.url, verify=False) as http:
            for _ in range(20):
                assert await asked(http, "tasks.list") == [task]
        living = workers_of(parent)
        os.kill(parent, signal.SIGTERM)
        assert await server.command.ended() == 0, server.command.said
        assert not [pid for pid in (*living, mongod) if is_there(pid)]
    assert sum("Headwater" in line for line in server.command.stdout) == 1


async def test_workers_end_with_whoever_keeps_them_however_that_ends(fast_dir: Path) -> None:
    async with serving_process(fast_dir / uuid4().hex, "--workers", "2") as server:
        parent = server.command.process.pid
        living = workers_of(parent)
        os.kill(parent, signal.SIGKILL)
        await until(lambda: not any(map(is_there, living)))


async def test_a_changed_file_is_served_anew_on_the_same_port_and_a_broken_one_is_waited_for(
    fast_dir: Path, tmp_path: Path
) -> None:
    app = tmp_path / "answers.py"
    app.write_text(APP.replace("{answer}", "1"))
    async with serving_process(fast_dir / uuid4().hex, f"{app}:app", "--reload") as server:
        assert await asked(server.http, "answers.answer") == 1
        app.write_text("this is no Python")
        said = server.command.stderr
        await until(lambda: any("Waiting for a change" in line for line in said))
        app.write_text(APP.replace("{answer}", "2"))
        await answers(server.http, 2)
        mended = APP.replace("{answer}", "3")
        app.write_text(MENDED_AS_IT_ENDS.format(mended=mended))
        await answers(server.http, 3)


async def test_what_cannot_start_ends_the_crew_with_its_sentence(fast_dir: Path) -> None:
    data_dir = {"HEADWATER_DATA_DIR": str(fast_dir / uuid4().hex), "HEADWATER_PORT": "0"}
    async with headwater("serve", "nowhere.py:app", "--workers", "2", **data_dir) as command:
        assert await command.ended() == 2
        assert any("no such file or module" in line for line in command.stderr), command.said
    async with headwater("serve", "--workers", "2", HEADWATER_MONGODB_URI="memory:") as command:
        assert await command.ended() == 2
        assert "without --workers" in command.stderr[0]


async def test_windows_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(StartupError, match="without --workers"):
        await run_crew(None, 2, reload=False)
