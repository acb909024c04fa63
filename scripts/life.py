"""``make life``: a few people who come to a task of a running server, work in it, and leave.

They do what browsers do, through the Python client: heartbeats, cursors that move, activities, and
prompts to Claude, one of them with tools. Ctrl-C sends them home.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from scripts.seed.words import FILES, NAMES, SUBJECTS, VERBS
from server.cli.server_url import own_url
from server.client import Client, HeadwaterError

__all__ = ["Person", "answer_tools", "live", "main"]

HEARTBEAT_SECONDS = 30.0
MOVE_SECONDS = 0.2
PROMPT_SECONDS = 45.0
TOOLS = [
    {
        "name": "read_file",
        "description": "Read a file of the workspace.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}},
            "required": ["path"],
        },
    }
]


@dataclass
class Person:
    """Somebody who is in a task.

    Attributes:
        client: Their connection.
        task_id: Where they are.
        number: Which of `NAMES` is theirs.
    """

    client: Client
    task_id: str
    number: int
    rng: Random = field(default_factory=Random)

    @property
    def _self(self) -> dict[str, Any]:
        return {
            "taskId": self.task_id,
            "userId": f"person-{self.number + 1}",
            "userName": NAMES[self.number],
        }

    @asynccontextmanager
    async def present(self) -> AsyncGenerator[None]:
        """They are there for as long as the block lasts, heartbeats and all."""
        await self.client.mutation("presence.updatePresence", {**self._self, "activity": "viewing"})
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            who = {name: self._self[name] for name in ("taskId", "userId")}
            await self.client.mutation("presence.removePresence", who)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with suppress(HeadwaterError):  # the next one counts as well
                await self.client.mutation("presence.updatePresence", self._self)

    async def move(self, steps: int) -> None:
        """Let the cursor wander."""
        x, y = self.rng.randint(0, 1200), self.rng.randint(0, 800)
        for _ in range(steps):
            x, y = x + self.rng.randint(-40, 40), y + self.rng.randint(-40, 40)
            cursor = {"x": x, "y": y}
            await self.client.mutation("presence.updatePresence", {**self._self, "cursor": cursor})
            await asyncio.sleep(MOVE_SECONDS)

    async def edit(self) -> None:
        """Open a file, select something of it, save it."""
        path, start = self.rng.choice(FILES), self.rng.randint(0, 2_000)
        selection = {"start": start, "end": start + 80, "filePath": path}
        await self.tell("file-opened", path)
        editing = {"activity": "editing-file", "selection": selection}
        await self.client.mutation("presence.updatePresence", {**self._self, **editing})
        await self.move(10)
        await self.tell("file-saved", path)

    async def tell(self, activity_type: str, path: str) -> None:
        """Tell everybody what is done."""
        who = {name: self._self[name] for name in ("taskId", "userId")}
        what = {"activityType": activity_type, "metadata": {"path": path}}
        await self.client.mutation("presence.broadcastActivity", {**who, **what})

    async def ask(self, *, with_tools: bool) -> str:
        """Ask Claude something; the id of the message that is written."""
        await self.client.mutation("presence.updatePresence", {**self._self, "activity": "typing"})
        prompt = f"{self.rng.choice(VERBS)} {self.rng.choice(SUBJECTS)}."
        if not with_tools:
            asked = {"taskId": self.task_id, "prompt": prompt}
            return (await self.client.action("streaming.streamChat", asked))["messageId"]
        prompt = f"{prompt} Use read_file on {self.rng.choice(FILES)}."
        asked = {"taskId": self.task_id, "prompt": prompt, "tools": TOOLS}
        return (await self.client.action("streaming.streamChatWithTools", asked))["messageId"]


async def live(client: Client, task_id: str, people: int, seconds: float, seed: int = 0) -> None:
    """Have `people` be in a task for some seconds; what they ask for reads of files is answered."""
    everybody = [Person(client, task_id, n, Random(f"{seed} {n}")) for n in range(people)]
    lives = [asyncio.create_task(_one_life(person)) for person in everybody]
    lives.append(asyncio.create_task(answer_tools(client, task_id)))
    try:
        ended, _ = await asyncio.wait(lives, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for one in ended:
            one.result()
    finally:
        for one in lives:
            one.cancel()
        await asyncio.gather(*lives, return_exceptions=True)


async def _one_life(person: Person) -> None:
    async with person.present():
        asked_at = -PROMPT_SECONDS * person.rng.random()
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() - asked_at > PROMPT_SECONDS:
                asked_at = loop.time()
                with suppress(HeadwaterError):  # such as that too many prompts wait already
                    await person.ask(with_tools=person.number % 2 == 1)
            await person.edit()
            await person.move(person.rng.randint(5, 40))


async def answer_tools(client: Client, task_id: str) -> None:
    """An executor that reads files which are not there."""
    async for calls in client.subscribe("toolCallTracking.pending", {"taskId": task_id}):
        for call in calls:
            if call["toolName"] != "read_file" or call["status"] != "PENDING":
                continue
            result = {"result": f"{call['args'].get('path')}: 42 lines, all of them fine"}
            with suppress(HeadwaterError):  # another was quicker
                await client.mutation(
                    "toolCallTracking.claim", {"id": call["_id"], "executor": "life"}
                )
                await client.mutation(
                    "toolCallTracking.updateResult",
                    {"toolCallId": call["toolCallId"], "status": "COMPLETED", **result},
                )


async def _run(url: str, task_id: str | None, people: int, seconds: float) -> None:
    async with Client(url) as client:
        task = task_id or await _newest_task(client)
        print(f"{people} people are in the task {task} of {client.url}, for {seconds:g} s.")
        await live(client, task, people, seconds)


async def _newest_task(client: Client) -> str:
    tasks = await client.query("tasks.list", {"limit": 1})
    task = tasks[0] if tasks else await client.mutation("tasks.create", {"title": "Life"})
    return task["_id"]


def main() -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.life", description=__doc__)
    parser.add_argument("--url", default=own_url(), help="the server; as HEADWATER_PORT says")
    parser.add_argument("--task", help="the task's id; the newest by itself")
    parser.add_argument("--people", type=int, default=5, choices=range(1, 41), metavar="1–40")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long they stay")
    asked = parser.parse_args()
    try:
        asyncio.run(_run(asked.url, asked.task, asked.people, asked.seconds))
    except HeadwaterError as error:
        print(f"life: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
