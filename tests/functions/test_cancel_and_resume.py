"""``streaming.cancelStream`` and ``streaming.resumeStream``, on one process and across two."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from server.functions import replies, reply_lease, streaming
from server.llm.standin import (
    CutShort,
    Reply,
    Stalled,
    StandinServer,
    StatusError,
    Text,
    Thinking,
    ToolUse,
)
from server.store.connection import database_name
from tests.functions import workshop
from tests.functions.chat import (
    at_rest,
    begin,
    ended,
    kinds,
    new_task,
    talking,
    text_of,
    watching,
)
from tests.waiting import eventually

WORDS = ["one ", "two ", "three ", "four"]


@pytest.fixture
def long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is renewed while the test runs, and so nothing is noticed by a renewal."""
    monkeypatch.setattr(reply_lease, "LEASE_SECONDS", 3_600.0)


async def test_a_silent_stream_is_closed_by_the_news_of_its_cancelling(
    database_uri: str, long_leases: None
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([Text(WORDS)], failure=Stalled(after=2)))
        message = await begin(server, await new_task(server))
        async with watching(server, message) as follower:
            await follower.until(lambda f: text_of(f.values["m"]) == "one two ")
            answer = await server.http.post(
                "/api/action/streaming.cancelStream?wait=true", json={"messageId": message}
            )
            assert answer.json()["value"] == {"cancelled": True}
            async with asyncio.timeout(60):
                await standin.requests[-1].ended.wait()
            assert standin.requests[-1].outcome == "client left"
            await follower.until(lambda f: f.values["m"]["status"] == "CANCELLED")
            await at_rest(server)
            reply = await server.query("messages.get", messageId=message)
            assert (text_of(reply), reply["finishReason"]) == ("one two ", "cancelled")
            assert reply["usage"]["final"] is False
            assert reply["usage"]["promptTokens"] > 0


async def test_cancelling_what_has_ended_or_never_was_is_harmless(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([Text(["Done."])]))
        message = await begin(server, await new_task(server))
        await ended(server, message)
        for _ in range(2):
            answer = await server.http.post(
                "/api/action/streaming.cancelStream?wait=true", json={"messageId": message}
            )
            assert answer.json()["value"] == {"cancelled": False}
        assert (await ended(server, message))["status"] == "COMPLETED"
        unknown = await server.http.post(
            "/api/action/streaming.cancelStream?wait=true", json={"messageId": "nope"}
        )
        assert unknown.status_code == 404


async def test_a_reply_of_some_text_goes_on_by_quoting_it(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply([Thinking(["Hm."]), Text(WORDS)], failure=CutShort(after=3)),
            Reply([Text(["three ", "four"])]),
            Reply([Text(["Next."])]),
        )
        task = await new_task(server)
        message = await begin(server, task)
        cut = await ended(server, message)
        assert (cut["status"], text_of(cut)) == ("FAILED", "one two ")
        await server.action("streaming.resumeStream", messageId=message)
        reply = await ended(server, message)
        assert (reply["status"], text_of(reply)) == ("COMPLETED", "one two three four")
        assert [part.get("seam") for part in reply["parts"]] == [None, None, True]
        assert "error" not in reply
        sent = standin.requests[-1].body["messages"]
        assert [turn["role"] for turn in sent] == ["user", "assistant", "user"]
        assert [block["type"] for block in sent[1]["content"]] == ["thinking", "text"]
        assert "one two" in sent[2]["content"][0]["text"]
        assert text_of(await ended(server, await begin(server, task, "And?"))) == "Next."
        assert standin.requests[-1].body["messages"][:3] == sent, "byte for byte"


async def test_the_standins_own_reply_goes_on_as_it_would_have(database_uri: str) -> None:
    standin = StandinServer(deltas_per_second=200)
    async with standin, talking(database_uri, standin) as server:
        uncut = await ended(server, await begin(server, await new_task(server), "Why rivers?"))
        message = await begin(server, await new_task(server), "Why rivers?")
        async with watching(server, message) as follower:
            await follower.until(lambda f: len(text_of(f.values["m"])) > 300)
            await server.action("streaming.cancelStream", messageId=message)
            await follower.until(lambda f: f.values["m"]["status"] == "CANCELLED")
            cut = text_of(follower.values["m"])
            await server.action("streaming.resumeStream", messageId=message)
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            assert cut != text_of(uncut)
            assert text_of(follower.values["m"]) == text_of(uncut)


async def test_a_reply_of_which_nothing_was_shown_is_asked_for_again(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply(failure=StatusError(401, "authentication_error")),
            Reply([Thinking(["Hm, ", "well"]), Text(["no"])], failure=CutShort(after=2)),
            Reply([Text(["Good day."])]),
        )
        task = await new_task(server)
        message = await begin(server, task, "Hello")
        assert (await ended(server, message))["status"] == "FAILED"
        for status in ("FAILED", "COMPLETED"):
            await server.action("streaming.resumeStream", messageId=message)
            reply = await ended(server, message)
            assert reply["status"] == status
        assert text_of(reply) == "Good day."
        bodies = [request.body for request in standin.requests]
        assert bodies[1]["messages"] == bodies[2]["messages"]
        assert len(bodies[2]["messages"]) == 1


async def test_a_reply_that_ran_out_of_tokens_goes_on(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply([Text(["Half a "])], stop_reason="max_tokens"), Reply([Text(["loaf."])])
        )
        message = await begin(server, await new_task(server))
        cut = await ended(server, message)
        assert (cut["status"], cut["finishReason"]) == ("COMPLETED", "max_tokens")
        await server.action("streaming.resumeStream", messageId=message)
        reply = await ended(server, message)
        assert (reply["status"], reply["finishReason"]) == ("COMPLETED", "end_turn")
        assert text_of(reply) == "Half a loaf."


@pytest.mark.parametrize("stop_reason", ["end_turn", "refusal"])
async def test_what_is_complete_or_declined_cannot_be_resumed(
    database_uri: str, stop_reason: str
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([Text(["No"])], stop_reason=stop_reason))
        message = await begin(server, await new_task(server))
        await ended(server, message)
        answer = await server.http.post(
            "/api/action/streaming.resumeStream", json={"messageId": message}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


async def test_a_refused_exchange_is_left_out_of_the_next_request(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply([Text(["I would "])], stop_reason="refusal"), Reply([Text(["Sure."])])
        )
        task = await new_task(server)
        await ended(server, await begin(server, task, "Something bad"))
        assert text_of(await ended(server, await begin(server, task, "Something nice"))) == "Sure."
        (turn,) = standin.requests[-1].body["messages"]
        assert [block["text"] for block in turn["content"]] == ["Something nice"]


async def test_only_one_of_many_who_resume_does(database_uri: str) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(
            Reply([Text(WORDS)], failure=CutShort(after=2)),
            Reply([Text(["!"])], delay_ms=300),
        )
        message = await begin(server, await new_task(server))
        await ended(server, message)
        answers = await asyncio.gather(
            *(
                server.http.post("/api/action/streaming.resumeStream", json={"messageId": message})
                for _ in range(6)
            )
        )
        assert sorted(one.status_code for one in answers) == [202] + [409] * 5
        assert text_of(await ended(server, message)) == "one two !"
        assert len(standin.requests) == 2


async def test_tools_that_a_stopped_server_left_are_run_again_or_have_failed(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin:
        standin.script.add(
            Reply(
                [
                    Text(["Looking."]),
                    ToolUse("hold_long", {}, id="toolu_h"),
                    ToolUse("add", {"left": 1, "right": 1}, id="toolu_a"),
                ]
            ),
            Reply([Text(["Well."])]),
        )
        async with talking(database_uri, standin) as server:
            task = await new_task(server)
            message = await begin(server, task, tools=["hold_long", "add"])
            async with watching(server, message) as follower:
                await follower.until(
                    lambda f: (
                        sorted(one["status"] for one in f.values["t"]) == ["COMPLETED", "RUNNING"]
                    )
                )
        async with talking(database_uri, standin) as server:
            reply = await server.query("messages.get", messageId=message)
            assert reply["status"] == "INTERRUPTED"
            calls = await server.query("toolCallTracking.byMessage", messageId=message)
            assert [one["status"] for one in calls] == ["FAILED", "COMPLETED"]
            assert calls[0]["error"]["code"] == "interrupted"
            await server.action("streaming.resumeStream", messageId=message)
            reply = await ended(server, message)
            assert (reply["status"], text_of(reply)) == ("COMPLETED", "Looking.Well.")
            assert workshop.effects == [], "neither was run again"
            assert kinds(reply).count("tool-result") == 2
            seams = [part["type"] for part in reply["parts"] if part.get("seam")]
            assert seams == ["tool-result"], "the first part that the resumed reply wrote"
            sent = standin.requests[-1].body["messages"][-1]["content"]
            assert [one.get("is_error") for one in sent] == [True, None]


async def test_one_reply_of_a_task_at_a_time_and_the_next_waits_for_its_turn(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        go_on = asyncio.Event()
        standin.script.add(
            Reply([Text(["first"])], failure=Stalled(after=0, until=go_on)),
            Reply([Text(["second"])]),
        )
        task = await new_task(server)
        await begin(server, task, "A")
        two = await begin(server, task, "B")
        async with watching(server, two) as follower:
            await eventually(lambda: standin.requests)
            assert follower.values["m"]["status"] == "PENDING"
            go_on.set()
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
        said = [turn["content"][0]["text"] for turn in standin.requests[-1].body["messages"]]
        assert said == ["A", "first", "B"]


async def test_too_many_waiting_prompts_are_refused(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "WAITING_MAX", 2)
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as server:
        standin.script.add(Reply([Text(["x"])], failure=Stalled(after=0)))
        task = await new_task(server)
        for _ in range(3):
            await begin(server, task)
        answer = await server.http.post(
            "/api/action/streaming.streamChat", json={"taskId": task, "prompt": "x"}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many")


@pytest.fixture
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming.sweep, "seconds", 0.1)


async def freeze(uri: str, message: str, left_ms: int = -1) -> None:
    """Let a lease be over, or soon, as if its process had been frozen past it."""
    async with AsyncMongoClient[dict[str, Any]](uri, w="majority") as client:
        messages = client[database_name(uri)]["chatMessages"]
        await messages.update_one(
            {"_id": message}, [{"$set": {"lease.expiresAt": {"$add": ["$$NOW", left_ms]}}}]
        )


@pytest.mark.usefixtures("quick_sweeps")
async def test_what_was_frozen_past_its_lease_is_resumed_elsewhere_and_writes_no_more(
    database_uri: str,
) -> None:
    wake = asyncio.Event()
    standin, other = StandinServer(), StandinServer()
    async with standin, other, talking(database_uri, standin) as a:
        standin.script.add(Reply([Text(WORDS)], failure=Stalled(after=2, until=wake)))
        task = await new_task(a)
        message = await begin(a, task)
        async with talking(database_uri, other) as b, watching(b, message) as follower:
            await follower.until(lambda f: text_of(f.values["m"]) == "one two ")
            await freeze(database_uri, message)
            await follower.until(lambda f: f.values["m"]["status"] == "INTERRUPTED")
            other.script.add(Reply([Text(["and B"])]))
            await b.action("streaming.resumeStream", messageId=message)
            wake.set()
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            await at_rest(a)
            reply = await b.query("messages.get", messageId=message)
            assert text_of(reply) == "one two and B"
            assert follower.values["m"] == reply


@pytest.mark.usefixtures("quick_sweeps")
async def test_a_reply_that_may_is_resumed_by_itself_and_by_exactly_one(
    database_uri: str,
) -> None:
    standin = StandinServer()
    async with standin, talking(database_uri, standin) as a:
        standin.script.add(
            Reply([Text(WORDS)], failure=Stalled(after=2)), Reply([Text(["and so on"])])
        )
        message = await begin(a, await new_task(a), autoResume=True)
        async with (
            talking(database_uri, standin) as b,
            talking(database_uri, standin) as c,
            watching(b, message) as follower,
        ):
            await follower.until(lambda f: text_of(f.values["m"]) == "one two ")
            await freeze(database_uri, message)
            await follower.until(lambda f: f.values["m"]["status"] == "COMPLETED")
            reply = follower.values["m"]
            assert text_of(reply) == "one two and so on"
            assert reply["usage"]["final"] is False, "nobody knows what the frozen one took"
            assert len(reply["requestIds"]) == 2
            await at_rest(a)
            await at_rest(c)
        assert len(standin.requests) == 2


@pytest.mark.usefixtures("quick_sweeps", "slow_transactions", "long_leases")
@pytest.mark.parametrize("auto_resume", [False, True])
async def test_a_reply_locked_by_a_process_that_died_holds_up_no_other(
    database_uri: str, auto_resume: bool
) -> None:
    standin = StandinServer()
    async with (
        standin,
        talking(database_uri, standin) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
        client.start_session() as session,
    ):
        standin.script.add(*(Reply([Text(WORDS)], failure=Stalled(after=2)) for _ in range(2)))
        tasks = [await new_task(server) for _ in range(2)]
        locked = await begin(server, tasks[0], autoResume=auto_resume)
        other = await begin(server, tasks[1])
        await eventually(lambda: len(standin.requests) == 2)
        async with watching(server, locked) as first, watching(server, other) as second:
            for follower in (first, second):
                await follower.until(lambda f: text_of(f.values["m"]) == "one two ")
            messages = client[database_name(database_uri)]["chatMessages"]
            await freeze(database_uri, locked, 500)
            await session.start_transaction()
            await messages.update_one({"_id": locked}, {"$set": {"x": 1}}, session=session)
            await freeze(database_uri, other, 1_000)
            await second.until(lambda f: f.values["m"]["status"] == "INTERRUPTED")
            # MongoDB has not given up the lock, for the transaction can still be gone on with.
            await messages.update_one({"_id": locked}, {"$set": {"x": 2}}, session=session)


async def test_a_reply_that_cannot_be_read_does_not_keep_others_from_being_swept(
    database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_lease, "LEASE_SECONDS", 0.5)
    standin = StandinServer()
    async with (
        standin,
        talking(database_uri, standin) as server,
        AsyncMongoClient[dict[str, Any]](database_uri) as client,
    ):
        messages = client[database_name(database_uri)]["chatMessages"]
        task, long_ago = await new_task(server), datetime(2020, 1, 1, tzinfo=UTC)
        for number in range(2):
            settings: dict[str, Any] = {"tools": 5} if number == 0 else {}
            await messages.insert_one(
                {
                    "_id": f"m{number}", "taskId": task, "role": "assistant", "sequence": number,
                    "status": "STREAMING", "parts": [], "attempts": 1, "settings": settings,
                    "createdAt": long_ago, "updatedAt": long_ago,
                    "lease": {"owner": "gone", "attempt": 1, "expiresAt": long_ago},
                }
            )  # fmt: skip
        for number in range(2):
            assert (await ended(server, f"m{number}"))["status"] == "INTERRUPTED"
