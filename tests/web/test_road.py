"""The one road, end to end: a reply is written into MongoDB and grows in every subscriber."""

from tests.serving import serving
from tests.sse import Follower


async def test_a_reply_grows_in_every_subscriber(database_uri: str) -> None:
    async with serving(database_uri) as server:
        task = await server.mutation("tasks.create", title="Rivers")
        queries = {"m": ("messages.byTask", {"taskId": task["_id"]})}
        one, two = Follower(server.http, queries), Follower(server.http, queries)
        async with one.following(), two.following():
            await one.until(lambda f: "m" in f.values)
            await two.until(lambda f: "m" in f.values)
            begun = await server.action(
                "streaming.streamChat", taskId=task["_id"], prompt="Why do rivers meander?"
            )

            def done(follower: Follower) -> bool:
                messages = follower.values.get("m", [])
                return bool(messages) and messages[-1]["status"] == "COMPLETED"

            await one.until(done)
            await two.until(done)
        reply = one.values["m"][-1]
        assert reply["_id"] == begun["messageId"]
        assert reply["usage"]["totalTokens"] > 0
        assert reply["finishReason"] == "end_turn"
        assert any(part["type"] == "text" and part["text"] for part in reply["parts"])
        assert one.values == two.values
        assert one.values["m"] == await server.query("messages.byTask", taskId=task["_id"])
