"""``/api/schedules`` and ``/metrics``: what operators see of all that runs by itself."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from server.core.process import process_name
from server.runtime import Caller, NotFound
from server.store.collections import SCHEDULED_CALLS
from server.store.connection import database_name
from tests.headwater_command import Command, headwater
from tests.runtime import later_app
from tests.runtime.later_app import Gate, failures, gates
from tests.serving import Running, serving

TOKEN = "an-operators-token-0123456789"
PATH = "/api/schedules"


async def told(server: Running, until: Any) -> Any:
    """What an operator is told, when `until` holds of it."""
    async with asyncio.timeout(60):
        while True:
            response = await server.http.get(PATH)
            assert response.status_code == 200, response.text
            if until(answer := response.json()):
                return answer
            await asyncio.sleep(0.01)


async def shown(server: Running, *arguments: str) -> Command:
    environment = {"COLUMNS": "160", "PYTHONUTF8": "1"}
    async with headwater("schedules", *arguments, "--url", server.url, **environment) as command:
        assert await command.ended() == 0, command.said
    return command


async def test_operators_see_what_waits_runs_has_failed_and_how_it_went(
    database_uri: str, mongo: AsyncMongoClient[Any]
) -> None:
    failures[:] = [NotFound("It is gone.")]
    gate = gates["seen"] = Gate()
    async with serving(database_uri, [later_app]) as server:
        await server.mutation("laterApp.later", of="no", function="laterApp.fails")
        await told(server, lambda a: a["totals"]["outcomes"].get("failed"))
        await server.mutation("laterApp.later", of="made")
        await server.mutation("laterApp.later", of="seen", function="laterApp.hold")
        waits = await server.mutation("laterApp.later", of="x\x1b[31m", seconds=3600)
        other = await server.mutation("laterApp.later", of="other", seconds=10_800)
        calls = mongo[database_name(database_uri)][SCHEDULED_CALLS]
        await calls.update_one({"_id": other}, {"$set": {"function": "laterApp.newer"}})
        await gate.reached.wait()
        answer = await told(
            server,
            lambda a: a["totals"]["outcomes"].get("succeeded") and a["everies"][0]["runs"],
        )
        assert answer["process"] == process_name()
        assert answer["totals"]["calls"] == {"waiting": 2, "running": 1, "failed": 1}
        assert answer["totals"]["running"] == 1
        runs, first, second, failed = answer["calls"]
        assert (runs["function"], runs["state"]) == ("laterApp.hold", "running")
        assert (runs["owner"], runs["attempts"]) == (process_name(), 1)
        assert runs["runsForMs"] >= 0
        assert (first["callId"], first["isKnown"]) == (waits, True)
        assert 0 < first["dueInMs"] <= 3_600_000
        assert "owner" not in first
        assert (second["callId"], second["isKnown"], second["arguments"]) == (
            other,
            False,
            "(14 bytes)",
        )
        assert (failed["state"], failed["error"]) == ("failed", "not_found: It is gone.")
        (hourly,) = answer["everies"]
        assert hourly["function"] == "laterApp.hourly"
        assert (hourly["lastOutcome"], hourly["runs"], hourly["failures"]) == ("succeeded", 1, 0)
        assert 3_500_000 < hourly["dueInMs"] <= 3_600_000

        metrics = (await server.http.get("/metrics")).text
        assert 'headwater_scheduled_calls_total{outcome="failed"} 1.0' in metrics
        assert 'headwater_scheduled_calls_total{outcome="lost"} 0.0' in metrics
        assert "headwater_scheduled_calls_running 1.0" in metrics
        runs_line = 'headwater_every_runs_total{function="laterApp.hourly",outcome="succeeded"} 1.0'
        assert runs_line in metrics

        command = await shown(server)
        assert "4 scheduled calls (1 failed, 1 running, 2 waiting)" in command.stdout
        for said in ("laterApp.hourly", waits, "not_found: It is gone.", "in 60 min", "3 h"):
            assert said in command.said
        assert "this server has no such function" in command.said
        assert "\x1b" not in command.said
        (line,) = (await shown(server, "--json", "--limit", "1")).stdout
        assert '"leftOut":3' in line
        gate.go.set()


async def test_nobody_but_operators_sees_it_and_secrets_not_even_they(database_uri: str) -> None:
    async with serving(
        database_uri,
        [later_app],
        authenticate=lambda _: Caller("ada", {"role": "writer"}),
        operator_token=SecretStr(TOKEN),
    ) as server:
        await server.mutation("laterApp.later", of="sk-ant-hush-0123456789", seconds=60)
        assert (await server.http.get(PATH)).status_code == 401
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answer = await server.http.get(PATH, headers=bearer)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        (call,) = answer.json()["calls"]
        assert call["caller"]
        for hidden in ("hush", "ada", "writer", "lease"):
            assert hidden not in answer.text
        refused = await server.http.get(f"{PATH}?limit=0", headers=bearer)
        assert refused.status_code == 400


@pytest.mark.parametrize("arguments", ["{", 5, None])
async def test_a_call_that_somebody_edited_is_shown_all_the_same(
    database_uri: str, mongo: AsyncMongoClient[Any], arguments: Any
) -> None:
    async with serving(database_uri, [later_app]) as server:
        await server.mutation("laterApp.later", of="x", seconds=60)
        calls = mongo[database_name(database_uri)][SCHEDULED_CALLS]
        await calls.update_one({}, {"$set": {"arguments": arguments}})
        (call,) = (await told(server, lambda _: True))["calls"]
        assert call["arguments"] == "(no JSON)"
