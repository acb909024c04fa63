"""``terminalOutput``: in order, by offset, in segments, and cut where it floods."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from server.functions import terminal_segments
from tests.serving import Running, serving
from tests.sse import Follower


@pytest.fixture(scope="module")
async def server(mongo_uri: str) -> AsyncIterator[Running]:
    """One server for all of them; each has a task of its own."""
    uri = mongo_uri.replace("/headwater?", "/terminal_output?")
    async with serving(uri) as server:
        yield server


@pytest.fixture
async def task(server: Running) -> str:
    return (await server.mutation("tasks.create", title="T"))["_id"]


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_segments, "SEGMENT_CHARACTERS_MIN", 10)
    monkeypatch.setattr(terminal_segments, "HEAD_SEGMENTS", 2)
    monkeypatch.setattr(terminal_segments, "TAIL_SEGMENTS", 3)


async def append(server: Running, task: str, text: str, stream: str = "stdout", **more: Any) -> int:
    answer = await server.mutation(
        "terminalOutput.append", taskId=task, stream=stream, text=text, **more
    )
    return answer["offset"]


async def shown(server: Running, task: str) -> list[dict[str, Any]]:
    return await server.query("terminalOutput.byTask", taskId=task, limit=200)


def text_of(segments: list[dict[str, Any]], stream: str | None = None, command: Any = None) -> str:
    return "".join(
        part["text"]
        for segment in segments
        if command in (None, segment["commandId"])
        for part in segment["parts"]
        if stream in (None, part["stream"])
    )


async def test_what_commands_write_is_shown_in_the_order_in_which_it_came(
    server: Running, task: str
) -> None:
    assert await append(server, task, "a\n") == 2
    assert await append(server, task, "b\n") == 4
    assert await append(server, task, "oh\n", "stderr") == 3
    assert await append(server, task, "c\n") == 6
    assert await append(server, task, "z", commandId="$other") == 1
    first, other = await shown(server, task)
    assert first["parts"] == [
        {"stream": "stdout", "text": "a\nb\n"},
        {"stream": "stderr", "text": "oh\n"},
        {"stream": "stdout", "text": "c\n"},
    ]
    assert (first["commandId"], other["commandId"]) == ("terminal", "$other")
    visible = {"_id", "taskId", "commandId", "sequence", "parts", "createdAt", "updatedAt"}
    assert set(first) == visible, "how it is kept is nobody's business"
    assert await server.mutation("terminalOutput.deleteByTask", taskId=task) == 2
    assert await shown(server, task) == []


@pytest.mark.parametrize("seed", range(3))
async def test_an_executor_that_never_knows_what_arrived_loses_and_doubles_nothing(
    server: Running, task: str, small_segments: None, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_segments, "HEAD_SEGMENTS", 1_000)
    rng = random.Random(seed)
    wrote = {"stdout": "", "stderr": ""}
    known = {"stdout": 0, "stderr": 0}
    for _ in range(60):
        stream = rng.choice(["stdout", "stderr"])
        wrote[stream] += "".join(rng.choices("aä€𝄞\n\0", k=rng.randrange(12)))
        text = wrote[stream][known[stream] :]
        match rng.choice(["arrives", "arrives", "lost", "answer lost"]):
            case "arrives":
                offset = known[stream]
                known[stream] = await append(server, task, text, stream, offset=offset)
                assert known[stream] == len(wrote[stream])
            case "answer lost":
                await append(server, task, text, stream, offset=known[stream])
            case _:
                pass
    for stream, whole in wrote.items():
        await append(server, task, whole[known[stream] :], stream, offset=known[stream])
        segments = await shown(server, task)
        assert text_of(segments, stream) == whole, f"seed {seed}"
        assert [one["sequence"] for one in segments] == list(range(len(segments)))
        assert len(segments) > 1


async def test_a_gap_is_refused_and_told_where_to_go_on(server: Running, task: str) -> None:
    for known, offset in ((0, 1), (5, 7)):
        answer = await server.http.post(
            "/api/mutation/terminalOutput.append",
            json={"taskId": task, "stream": "stdout", "text": "lost?", "offset": offset},
        )
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "conflict")
        assert error["details"] == {"expectedOffset": known}
        await append(server, task, "hello", offset=0)
    assert await append(server, task, "", offset=5) == 5, "it only asks"
    assert await append(server, task, "", "stderr") == 0
    assert text_of(await shown(server, task)) == "hello"


async def test_an_append_is_told_as_an_append_of_its_text_alone_however_long_the_output(
    server: Running, task: str
) -> None:
    follower = Follower(server.http, {"o": ("terminalOutput.byTask", {"taskId": task})})
    async with follower.following():
        await append(server, task, "line 000\n", offset=0)
        await follower.until(lambda f: text_of(f.values.get("o", [])) != "")
        before = len(follower.events)
        for n in range(1, 200):
            await append(server, task, f"line {n:03}\n", offset=9 * n)
        whole = "".join(f"line {n:03}\n" for n in range(200))
        await follower.until(lambda f: text_of(f.values.get("o", [])) == whole)
        appends = [event for event in follower.events[before:] if event.data["queries"]]
        for event in appends:
            (operation,) = event.data["queries"]["o"]["patch"]
            assert operation["op"] == "append"
            assert operation["path"] == "/0/parts/0/text"
            assert len(operation["value"]) % 9 == 0
        sizes = {
            event.size - len(event.data["queries"]["o"]["patch"][0]["value"]) for event in appends
        }
        assert max(sizes) < 200
        assert follower.snapshots == 1


async def test_a_full_segment_is_followed_by_another(server: Running, task: str) -> None:
    block = "x" * (terminal_segments.SEGMENT_CHARACTERS_MIN // 2)
    for text in (block, block, "next"):
        await append(server, task, text)
    full, following = await shown(server, task)
    assert [len(full["parts"][0]["text"]), following["parts"][0]["text"]] == [
        len(block) * 2,
        "next",
    ]
    assert full["createdAt"] <= following["createdAt"]


async def test_a_segment_of_very_many_appends_is_full(
    server: Running, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_segments, "SEGMENT_APPENDS_MAX", 3)
    for n in range(7):
        await append(server, task, str(n), "stdout" if n % 2 else "stderr")
    assert [text_of([one]) for one in await shown(server, task)] == ["012", "345", "6"]


async def test_a_flood_keeps_its_head_and_its_tail_and_says_how_much_is_missing_between(
    server: Running, task: str, small_segments: None
) -> None:
    follower = Follower(server.http, {"o": ("terminalOutput.byTask", {"taskId": task})})
    async with follower.following():
        for n in range(20):
            await append(server, task, f"{n:010}", "stderr" if n % 3 else "stdout", offset=None)
        await append(server, task, "end")
        await follower.until(lambda f: text_of(f.values.get("o", [])).endswith("end"))
        segments = follower.values["o"]
        assert segments == await shown(server, task)
    notice = segments[2]
    assert [one["sequence"] for one in segments] == [0, 1, 2, 18, 19, 20]
    assert notice["omittedCharacters"] == 160
    assert notice["parts"] == [
        {"stream": "notice", "text": "\n[160 characters of output were left out]\n"}
    ]
    kept = [one for one in segments if one is not notice]
    assert len(text_of(kept)) + 160 == 203
    assert await append(server, task, "!", offset=73) == 74, "offsets count what was left out"


async def test_a_task_that_floods_loses_its_oldest_output_and_says_so(
    server: Running, task: str, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_segments, "TASK_SEGMENTS_MAX", 12)
    monkeypatch.setattr(terminal_segments, "TASK_CUT_SEGMENTS", 4)
    total = 0
    await append(server, task, "a server", commandId="c-server")
    for command in range(12):
        for n in range(3):
            await append(server, task, f"{command:05}{n:05}", commandId=f"c{command}")
            total += 10
    segments = await shown(server, task)
    assert len(segments) <= 13
    (notice,) = [one for one in segments if one["commandId"] == ""]
    rest = [one for one in segments if one is not notice]
    assert notice["omittedCharacters"] + len(text_of(rest)) == total + len("a server")
    assert f"[{notice['omittedCharacters']:,} characters" in notice["parts"][0]["text"]
    assert text_of(rest).endswith(f"{11:05}{2:05}")


async def test_what_still_writes_outlasts_what_is_finished(
    server: Running, task: str, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_segments, "TASK_SEGMENTS_MAX", 12)
    monkeypatch.setattr(terminal_segments, "TASK_CUT_SEGMENTS", 2)
    await append(server, task, "a server", commandId="server")
    for command in range(2):
        for n in range(8):
            await append(server, task, f"{n:010}", commandId=f"c{command}")
    assert await append(server, task, " goes on", commandId="server", offset=8) == 16
    assert text_of(await shown(server, task), command="server") == "a server goes on"


async def test_many_at_once_lose_nothing_and_keep_one_order(
    server: Running, task: str, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_segments, "HEAD_SEGMENTS", 1_000)
    texts = [f"<{n}>" for n in range(12)]
    await asyncio.gather(
        *(append(server, task, text, commandId=c) for text in texts for c in ("a", "b"))
    )
    segments = await shown(server, task)
    for command in ("a", "b"):
        found = text_of(segments, command=command)
        assert sorted(found.replace(">", "> ").split()) == sorted(texts)
        own = [one["sequence"] for one in segments if one["commandId"] == command]
        assert own == list(range(len(own)))


async def test_a_task_that_is_not_there_takes_no_output(server: Running) -> None:
    answer = await server.http.post(
        "/api/mutation/terminalOutput.append",
        json={"taskId": uuid4().hex, "stream": "stdout", "text": "x"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
