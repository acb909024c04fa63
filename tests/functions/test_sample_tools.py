"""The tools that the page offers."""

from datetime import datetime, timedelta
from typing import Any

from server.llm.standin import Reply, StandinServer, Text, ToolUse
from tests.functions.chat import ended, new_task
from tests.serving import serving

DONE = Reply([Text(["All done."])])


def sum_of(left: float, operation: str, right: float) -> ToolUse:
    return ToolUse("calculate", {"left": left, "operation": operation, "right": right})


async def results_of(uri: str, *uses: ToolUse) -> list[tuple[str, Any]]:
    """What becomes of calls that Claude makes at once, in their order."""
    standin = StandinServer()
    async with standin, serving(uri, standin=standin) as server:
        standin.script.add(Reply(uses), DONE)
        begun = await server.action(
            "streaming.streamChatWithTools",
            taskId=await new_task(server),
            prompt="Go",
            tools=await server.query("sampleTools.offers"),
        )
        message = await ended(server, begun["messageId"])
        assert message["status"] == "COMPLETED", message
        calls = await server.query("toolCallTracking.byMessage", messageId=message["_id"])
        return [
            (call["status"], call["result"] if call["status"] == "COMPLETED" else call["error"])
            for call in calls
        ]


async def test_it_calculates(database_uri: str) -> None:
    uses = [
        sum_of(12, "times", 7), sum_of(1.5, "plus", 2), sum_of(1, "minus", 3),
        sum_of(7, "divided by", 2),
    ]  # fmt: skip
    assert await results_of(database_uri, *uses) == [
        ("COMPLETED", 84), ("COMPLETED", 3.5), ("COMPLETED", -2), ("COMPLETED", 3.5),
    ]  # fmt: skip


async def test_what_it_cannot_calculate_fails_with_a_reason(database_uri: str) -> None:
    results = await results_of(
        database_uri, sum_of(1, "divided by", 0), sum_of(1e308, "times", 1e10),
        sum_of(1, "to the power of", 2), ToolUse("current_time", {"timeZone": "../../etc/passwd"}),
    )  # fmt: skip
    assert [status for status, _ in results] == ["FAILED"] * 4
    assert {error["code"] for _, error in results} == {"invalid_arguments"}
    assert "zero" in results[0][1]["message"]
    assert "too large" in results[1][1]["message"]


async def test_it_tells_the_time_where_one_asks_for(database_uri: str) -> None:
    uses = [ToolUse("current_time", {}), ToolUse("current_time", {"timeZone": "Asia/Tokyo"})]
    here, tokyo = await results_of(database_uri, *uses)
    assert datetime.fromisoformat(here[1]).utcoffset() == timedelta(0)
    assert datetime.fromisoformat(tokyo[1]).utcoffset() == timedelta(hours=9)
