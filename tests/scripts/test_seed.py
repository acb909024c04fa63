"""`make seed` gives something to look at, once."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.headwater_command import OURS, serving_process
from tests.serving import serving
from tests.sse import Follower

ROOT = Path(__file__).parents[2]
QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "user": ("users.get", {"userId": "demo"}),
    "tasks": ("tasks.list", {"userId": "demo"}),
    "messages": ("messages.byTask", {"taskId": "5eed00000000000000000000"}),
}


async def seed(**environment: str) -> str:
    """Run it as `make seed` does; what it says."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.seed"),
        cwd=ROOT,
        env={**inherited, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return f"{process.returncode} {said.decode().strip()}"


async def test_subscribers_see_the_demo_come_and_a_second_run_changes_nothing(
    database_uri: str,
) -> None:
    async with serving(database_uri) as server:
        follower = Follower(server.http, QUERIES)
        async with follower.following():
            await follower.until(lambda f: f.values == {"user": None, "tasks": [], "messages": []})
            said = await seed(HEADWATER_MONGODB_URI=database_uri)
            assert said.startswith("0 Wrote 6 documents")
            await follower.until(lambda f: len(f.values["messages"]) == 4)
            first = dict(follower.values)
            assert first["user"]["name"] == "Demo"
            assert [task["title"] for task in first["tasks"]] == ["Why rivers meander"]
            assert [m["role"] for m in first["messages"]] == ["user", "assistant"] * 2
            said = await seed(HEADWATER_MONGODB_URI=database_uri)
            assert said.startswith("0 Nothing to do")
            # A later write comes after anything that the second run may have done.
            begun = await server.action(
                "streaming.streamChat", taskId=first["tasks"][0]["_id"], prompt="And lakes?"
            )
            await follower.until(
                lambda f: (
                    f.values["messages"][-1].get("finishReason") == "end_turn"
                    and f.values["messages"][-1]["_id"] == begun["messageId"]
                )
            )
        assert follower.values["messages"][:4] == first["messages"]
        assert follower.values["user"] == first["user"]


async def test_it_joins_the_embedded_mongodb_or_starts_it_for_itself(fast_dir: Path) -> None:
    data_dir = fast_dir / uuid4().hex
    said = await seed(HEADWATER_DATA_DIR=str(data_dir))
    assert said.startswith("0 Wrote 6 documents")
    async with serving_process(data_dir) as server:
        tasks = await server.call("query", "tasks.list")
        assert [task["title"] for task in tasks] == ["Why rivers meander"]
        said = await seed(HEADWATER_DATA_DIR=str(data_dir))
        assert said.startswith("0 Nothing to do")
        assert (await server.readiness()).status_code == 200


async def test_what_keeps_it_from_seeding_is_a_sentence() -> None:
    said = await seed(HEADWATER_MONGODB_URI="postgres://db")
    assert said.startswith("2 seed: HEADWATER_MONGODB_URI must begin with mongodb://")
    assert "\n" not in said
