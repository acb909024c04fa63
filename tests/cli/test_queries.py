"""`headwater queries`: what an operator sees of a running server."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from tests.headwater_command import Command, headwater
from tests.live import diagnosed_app
from tests.mongod import unused_port
from tests.serving import Running, http_server, serving
from tests.sse import Follower

TOKEN = "an-operators-token-0123456789"
WIDE = {"COLUMNS": "140", "PYTHONUTF8": "1"}


async def run(*arguments: str, **environment: str) -> Command:
    async with headwater("queries", *arguments, **(WIDE | environment)) as command:
        await command.ended()
    return command


def follow(server: Running, name: str, **arguments: Any) -> Follower:
    return Follower(server.http, {"q": (f"diagnosedApp.{name}", arguments)})


async def test_it_shows_each_query_with_its_strategy_and_the_reason(database_uri: str) -> None:
    async with serving(database_uri, [diagnosed_app]) as server:
        watching = follow(server, "howMany", town="x")
        async with watching.following():
            await watching.until(lambda f: f.values == {"q": 0})
            await server.mutation("diagnosedApp.found", town="x")
            await watching.until(lambda f: f.values == {"q": 1})
            command = await run("--url", server.url)
    assert command.process.returncode == 0, command.said
    assert command.stdout[0] == "1 live query (1 rerun), 1 watching"
    assert "2 reads of MongoDB (1 subscribed, 1 touched), 1 change;" in command.stdout[1]
    place = command.stdout.index('diagnosedApp.howMany {"town":"x"}')
    strategy, watched, *_ = command.stdout[place + 1].split()
    assert (strategy, watched) == ("rerun", "1")
    assert command.stdout[place + 3].startswith("  it awaits places")


@pytest.mark.parametrize("columns", [80, 120])
async def test_names_and_reasons_have_lines_of_their_own_however_narrow_it_is(
    database_uri: str, columns: int
) -> None:
    async with serving(database_uri, [diagnosed_app]) as server:
        watching = follow(server, "overBudget", town="Villeneuve-lès-Avignon")
        async with watching.following():
            await watching.until(lambda f: f.values == {"q": []})
            told = (await server.http.get("/api/live-queries")).json()
            command = await run("--url", server.url, COLUMNS=str(columns))
    lines = [line.rstrip() for line in command.stdout]
    assert all(len(line) <= columns for line in lines), command.said
    place = lines.index('diagnosedApp.overBudget {"town":"Villeneuve-lès-Avignon"}')
    assert lines[place + 1].startswith("asked ")
    assert lines[place + 1].index("1") == lines[place - 2].index("watched") + len("watched") - 1
    (reason,) = {row["reason"] for row in told["queries"]}
    assert " ".join(line.strip() for line in lines[place + 3 :]) == reason
    assert all(line.startswith("  ") for line in lines[place + 3 :])


async def test_it_finds_the_server_by_the_same_settings_and_prints_json(database_uri: str) -> None:
    async with serving(database_uri, [diagnosed_app]) as server:
        port = server.url.rpartition(":")[2]
        command = await run("--json", HEADWATER_PORT=port)
        assert command.process.returncode == 0, command.said
        (line,) = command.stdout
        told = (await server.http.get("/api/live-queries")).json()
        assert json.loads(line)["queries"] == told["queries"] == []


async def test_the_token_comes_from_the_environment(database_uri: str) -> None:
    token = SecretStr(TOKEN)
    async with serving(database_uri, [diagnosed_app], operator_token=token) as server:
        refused = await run("--url", server.url)
        assert refused.process.returncode == 2
        assert refused.stdout == []
        (sentence,) = refused.stderr
        assert sentence.startswith("headwater: The server answered 401: ")
        assert "HEADWATER_OPERATOR_TOKEN" in sentence
        shown = await run("--url", server.url, HEADWATER_OPERATOR_TOKEN=TOKEN)
        assert shown.process.returncode == 0, shown.said
        assert "Nobody watches anything." in shown.stdout
        assert TOKEN not in shown.said


async def test_watching_asks_again_and_again(database_uri: str) -> None:
    async with (
        serving(database_uri, [diagnosed_app]) as server,
        headwater("queries", "--watch", "--json", "--url", server.url, **WIDE) as command,
    ):
        await command.line('"queries":\\[\\]')
        watching = follow(server, "motto")
        async with watching.following():
            await command.line("diagnosedApp.motto")
        command.process.send_signal(2)
        assert await command.ended() == 0, command.said
        assert command.stderr == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "nowhere", "http://[::1"])
async def test_no_server_is_said_in_a_sentence(url: str) -> None:
    command = await run("--url", url.format(port=unused_port()))
    assert command.process.returncode == 2, command.said
    (sentence,) = command.stderr
    assert "; start one by `headwater serve`, or name it by --url." in sentence


async def test_another_server_is_said_in_a_sentence_and_commands_no_terminal() -> None:
    async def rude(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps({"error": {"message": "\x9b31m\x1b[31mred"}}, ensure_ascii=False)
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": body.encode()})

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    async with http_server(rude) as url:
        command = await run("--url", url)
    assert "\x1b" not in command.said
    assert "\x9b" not in command.said
    async with http_server(plain) as url:
        command = await run("--url", url)
    assert command.stderr == [
        "headwater: The server answered 200: it does not speak as Headwater does; "
        "name another server by --url."
    ]
