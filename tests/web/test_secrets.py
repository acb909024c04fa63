"""Keys and passwords are used, and are nowhere to be found."""

import functools
import json
from typing import Any

import pytest
from pymongo import AsyncMongoClient

import server.app
from server.llm import Claude
from server.llm.standin import StandinServer
from server.settings import Settings
from server.store.connection import database_name
from tests.serving import serving
from tests.sse import Follower

KEY = "sk-ant-hush-0123456789abcdef"


async def everything(uri: str) -> str:
    """All that the database holds, as text."""
    found: dict[str, Any] = {}
    async with AsyncMongoClient(uri) as client:
        database = client[database_name(uri)]
        for name in await database.list_collection_names():
            found[name] = await database[name].find().to_list()
    assert found["chatMessages"], "there is something to look through"
    return repr(found)


@pytest.mark.parametrize("refused", [False, True])
async def test_a_callers_key_is_nowhere(
    database_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    refused: bool,
) -> None:
    caplog.set_level("DEBUG")
    standin = StandinServer(deltas_per_second=float("inf"))
    base_url = await standin.start()
    elsewhere = "http://127.0.0.1:9" if refused else base_url
    monkeypatch.setattr(server.app, "Claude", functools.partial(Claude, callers_base_url=elsewhere))
    try:
        async with serving(database_uri, standin=standin) as running:
            task = await running.mutation("tasks.create", title="Secrets")
            queries = {"m": ("messages.byTask", {"taskId": task["_id"]})}
            follower = Follower(running.http, queries)
            async with follower.following():
                answers = [
                    await running.http.post(
                        "/api/action/streaming.streamChat?wait=true",
                        json={
                            "taskId": task["_id"],
                            "prompt": "Why?",
                            "apiKeys": {"anthropic": KEY},
                        },
                        headers={"Idempotency-Key": "k"},
                    )
                    for _ in range(2)
                ]
                await follower.until(
                    lambda f: (
                        bool(f.values.get("m"))
                        and f.values["m"][-1]["status"] in ("COMPLETED", "FAILED")
                    )
                )
            status = follower.values["m"][-1]["status"]
            assert status == ("FAILED" if refused else "COMPLETED")
            seen = json.dumps([event.data for event in follower.events])
            bodies = "".join(answer.text for answer in answers)
            stored = await everything(database_uri)
    finally:
        await standin.stop()
    for where in (seen, bodies, stored, caplog.text, repr(running.app.__dict__)):
        assert "hush" not in where


def test_settings_show_no_secret() -> None:
    settings = Settings(
        mongodb_uri="mongodb://root:hush@example.com/db",
        anthropic_api_key=KEY,
        anthropic_base_url=None,
        standin=False,
    )
    for text in (repr(settings), str(settings), f"{settings!r}"):
        assert "hush" not in text
        assert "example.com" not in text
