"""Talks in a task through a real server, and waits for what becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import server.functions
from server.llm.standin import StandinServer
from tests.functions import workshop
from tests.serving import Running, serving
from tests.sse import Follower

FUNCTIONS = [*server.functions.ALL, workshop]
EXTERNAL = {
    "name": "read_file",
    "description": "Read a file.",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
}


@asynccontextmanager
async def talking(uri: str, standin: StandinServer, **more: Any) -> AsyncIterator[Running]:
    """A server with the tests' tools."""
    workshop.effects.clear()
    workshop.holding.clear()
    async with serving(uri, FUNCTIONS, standin=standin, **more) as running:
        yield running


async def new_task(server: Running) -> str:
    return (await server.mutation("tasks.create", title="T"))["_id"]


async def begin(
    server: Running, task: str, prompt: str = "Go", tools: Sequence[Any] = (), **more: Any
) -> str:
    """Ask; gives the id of the reply, which is being written."""
    if tools:
        offers = [{"name": one} if isinstance(one, str) else one for one in tools]
        begun = await server.action(
            "streaming.streamChatWithTools", taskId=task, prompt=prompt, tools=offers, **more
        )
    else:
        begun = await server.action("streaming.streamChat", taskId=task, prompt=prompt, **more)
    return begun["messageId"]


@asynccontextmanager
async def watching(
    server: Running, message: str, watch: Callable[[str, Any, Any], None] = lambda *_: None
) -> AsyncIterator[Follower]:
    """Follows one message and its calls, from what was done so far; `watch` as a follower's."""
    done = server.wrote
    follower = Follower(
        server.http,
        {
            "m": ("messages.get", {"messageId": message}),
            "t": ("toolCallTracking.byMessage", {"messageId": message}),
        },
        watch=watch,
    )
    async with follower.following():
        await follower.until(lambda f: {"m", "t"} <= f.values.keys() and f.has_passed(done))
        yield follower


async def ended(server: Running, message: str) -> dict[str, Any]:
    """The reply, when it has ended."""
    async with watching(server, message) as follower:
        await follower.until(lambda f: f.values["m"]["status"] not in ("PENDING", "STREAMING"))
        return follower.values["m"]


async def at_rest(server: Running) -> None:
    """Wait until no action is at work."""
    async with asyncio.timeout(60):
        services = server.app._services
        assert services is not None
        while services.actions._at_work:
            await asyncio.wait(services.actions._at_work)


def kinds(message: dict[str, Any]) -> list[str]:
    return [part["type"] for part in message["parts"]]


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")
