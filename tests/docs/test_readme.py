"""What README shows runs as it stands there."""

import asyncio
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

from server.cli.target import load_app
from server.llm.standin import Reply, Text
from tests.serving import http_server, serving
from tests.sse import Follower
from tests.waiting import eventually

README = Path(__file__).parents[2] / "README.md"


async def test_the_app_in_the_readme_runs(
    database_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    monkeypatch.delitem(sys.modules, "notes", raising=False)
    file = tmp_path / "notes.py"
    file.write_text(source, "utf-8")
    monkeypatch.setenv("HEADWATER_MONGODB_URI", database_uri)
    app = load_app(f"{file}:app")
    async with (
        app.lifespan(),
        http_server(app) as url,
        httpx2.AsyncClient(base_url=url, timeout=60) as http,
    ):
        follower = Follower(http, {"n": ("notes.byBoard", {"board": "x"})})
        async with follower.following():
            await follower.until(lambda f: f.values == {"n": []})
            made = await http.post("/api/mutation/notes.add", json={"board": "x", "text": "Hello"})
            assert made.status_code == 200
            await follower.until(lambda f: f.values == {"n": [made.json()["value"]]})


async def test_the_client_in_the_readme_follows(
    database_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```py\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (source,) = [block for block in blocks if "server.client" in block]
    async with serving(database_uri) as server:
        names: dict[str, Any] = {}
        exec(compile(source.replace("http://127.0.0.1:8000", server.url), "f.py", "exec"), names)
        missing = asyncio.create_task(names["follow"]("none"))
        task = await server.mutation("tasks.create", title="Hello")
        following = asyncio.create_task(names["follow"](task["_id"]))
        printed: list[str] = []

        def has_printed(text: str) -> bool:
            printed.extend(capsys.readouterr().out.splitlines())
            return any(text in line for line in printed)

        await eventually(lambda: has_printed("0"))
        await server.action("streaming.streamChat", taskId=task["_id"], prompt="Hi")
        await eventually(lambda: has_printed("2"))
        await eventually(lambda: has_printed(" not_found"))
        for one in (missing, following):
            one.cancel()
        await asyncio.gather(missing, following, return_exceptions=True)
        assert (await server.query("tasks.get", taskId=task["_id"]))["title"] == "Reports"


IMPORTS = """
from contextlib import aclosing

from schemas.document import Document
from schemas.streamed_text import StreamedText
from server.llm import ChatRequest, TextDelta
from server.runtime import ActionCtx, Get, QueryCtx, action, query
"""

WATCH = """

@query
def get(ctx: QueryCtx, story_id: str) -> Get[Story]:
    return ctx.get(Story, story_id)
"""


async def test_the_action_in_the_readme_lets_everybody_watch(
    database_uri: str, tmp_path: Path
) -> None:
    blocks = re.findall(r"```py\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (source,) = [block for block in blocks if "class Story" in block]
    module = ModuleType("stories")
    module.__file__ = str(tmp_path / "stories.py")
    sys.modules["stories"] = module
    exec(compile(IMPORTS + source + WATCH, "stories.py", "exec"), vars(module))
    async with serving(database_uri, [module]) as server:
        server.script.add(Reply([Text(["Once ", "upon ", "a time."])]))
        story = await server.action("stories.tell", about="rivers")
        follower = Follower(server.http, {"s": ("stories.get", {"storyId": story})})
        async with follower.following():
            await follower.until(
                lambda f: (f.values.get("s") or {}).get("text") == "Once upon a time."
            )
    del sys.modules["stories"]


def test_the_unit_test_in_the_readme_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = README.read_text("utf-8")
    (app,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (source,) = [
        block for block in re.findall(r"```py\n(.*?)```", text, re.DOTALL) if "memory:" in block
    ]
    (tmp_path / "notes.py").write_text(app, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict[str, Any] = {}
    exec(compile(source, "test_notes.py", "exec"), namespace)
    try:
        for _ in range(2):  # it begins empty
            namespace["test_a_note_is_seen_by_who_watches"]()
    finally:
        sys.modules.pop("notes")


LATER = """
from datetime import UTC, datetime
from typing import Any

from server.runtime import ActionCtx, Find, MutationCtx, QueryCtx, every, mutation, query
from schemas.document import Document
"""


async def test_what_the_readme_schedules_is_done(database_uri: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```py\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (source,) = [block for block in blocks if "run_after" in block]
    module = ModuleType("reminders")
    module.__file__ = str(tmp_path / "reminders.py")
    sys.modules["reminders"] = module
    exec(compile(LATER + source, "reminders.py", "exec"), vars(module))
    async with serving(database_uri, [module]) as server:
        follower = Follower(server.http, {"r": ("reminders.shown", {})})
        async with follower.following():
            await follower.until(lambda f: f.values == {"r": []})
            for seconds in (3600, 0):
                await server.mutation("reminders.remind", text=f"in {seconds}", seconds=seconds)
            await follower.until(lambda f: [one["text"] for one in f.values["r"]] == ["in 0"])
    del sys.modules["reminders"]
