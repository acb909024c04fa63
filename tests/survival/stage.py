"""Real server processes on one database, replies held where they can be hit, and the judgement."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from server.llm.standin import Script, StandinServer
from server.llm.standin.faults import Failure
from server.store.connection import database_name
from tests.headwater_command import Server, serving_process
from tests.survival.audit import RUNNING, Audit, auditing
from tests.survival.conversation import (
    EVENTS,
    TOOLS,
    Conversation,
    Conversations,
    shown,
    shown_of,
)
from tests.survival.witness import Witness, witnessing
from tests.waiting import eventually

__all__ = ["ANYWHERE", "EVERY_POINT", "Meddle", "Point", "Run", "Stage", "staged"]

APP = f"{Path(__file__).with_name('mortal_app.py')}:app"
KEY = "sk-ant-test-key-0123456789"
RESUMES_MAX = 8
BEGIN_AT_ONCE = 4

Meddle = Callable[[int], Failure | None]
"""Gives the failure of the next reply of a step."""


@dataclass(frozen=True)
class Point:
    """Where a reply is held.

    Attributes:
        step: Of which request of Claude.
        event: Before which of its events.
        tools: Those which are held at work, after its last event; the others have answered.
    """

    step: int
    event: int
    tools: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.tools:
            return f"while {' and '.join(self.tools)} ran"
        return f"step {self.step}, event {self.event}" if self.step else "no point"


ANYWHERE = Point(0, 0)
"""A reply that is not held."""

EVERY_POINT = [
    *(Point(1, event) for event in range(EVENTS[1])),
    *(Point(1, EVENTS[1], tools) for tools in (TOOLS, TOOLS[:1], TOOLS[1:])),
    *(Point(2, event) for event in range(EVENTS[2])),
]


@dataclass
class Run:
    """One reply on its way through the worst.

    Attributes:
        talk: Its conversation.
        point: Where it is held.
        witness: Who watches it, on another process.
        auto_resume: Whether a sweep resumes it.
        resumes: How often somebody had it resumed.
    """

    talk: Conversation
    point: Point
    witness: Witness
    auto_resume: bool = False
    resumes: int = 0

    async def held(self) -> bool:
        """Wait until all that comes before its point has been shown; False if it ended before.

        Where there is more to do than there are cores, a short lease is sometimes lost.
        """
        await eventually(lambda: self._is_asked() or self._is_lost())  # no document tells of it
        await self.witness.until(lambda m, t: self._is_lost() or self._is_there(m, t))
        return not self._is_lost()

    def _is_lost(self) -> bool:
        message = self.witness.message
        return message["status"] not in RUNNING or any(
            part.get("seam") for part in message["parts"]
        )

    def _is_asked(self) -> bool:
        return self.point == ANYWHERE or self.point.step in self.talk.steps

    def _is_there(self, message: dict[str, Any], calls: list[dict[str, Any]]) -> bool:
        point, name = self.point, self.talk.name
        if point == ANYWHERE:
            return True
        if point.tools:
            at_work = {one["toolName"] for one in calls if one["status"] == "RUNNING"}
            results = sum(part["type"] == "tool-result" for part in message["parts"])
            return at_work == set(point.tools) and results == len(TOOLS) - len(at_work)
        return _parts(shown_of(message)) == _parts(shown(name, point.step, point.event))

    async def finish(self, server: Server) -> None:
        """Have it resumed, again where a short lease was lost once more, until it has ended."""
        while (await self.witness.ended())["status"] == "INTERRUPTED":
            assert self.resumes < RESUMES_MAX, (
                f"interrupted again and again: {self.witness.message}"
            )
            await resume(server, self)


def _parts(told: Any) -> Any:
    """Results may come in any order."""
    return [part if part[0] != "tool-result" else ("tool-result", "", False) for part in told]


async def resume(server: Server, run: Run) -> None:
    """Have the reply resumed on `server`, and wait until that shows."""
    before = run.witness.message
    response = await server.http.post(
        "/api/action/streaming.resumeStream", json={"messageId": run.talk.message}
    )
    assert response.status_code == 202, response.text
    run.resumes += 1
    await run.witness.until(
        lambda m, _: m["status"] != before["status"] or m["updatedAt"] != before["updatedAt"]
    )


@dataclass
class Stage:
    """Everything that a trial needs.

    Attributes:
        uri: Of the database.
        standin: Who speaks for Claude, to all processes.
        talks: What it says.
        audit: All writes of messages.
        database: The database itself.
        random: Chances of this trial.
        staying: The processes that are not killed; the first is where everybody watches.
        room: How many replies begin at once; a burst of them would lose their short leases.
    """

    uri: str
    standin: StandinServer
    talks: Conversations
    audit: Audit
    database: AsyncDatabase[dict[str, Any]]
    environment: dict[str, str]
    random: random.Random
    staying: list[Server] = field(default_factory=list[Server])
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BEGIN_AT_ONCE))
    _count: int = 0

    @property
    def watcher(self) -> Server:
        return self.staying[0]

    async def open_gates(self) -> None:
        """Let all tools that are held come to their end."""
        await self.watcher.call("mutation", "mortalApp.openAll")

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Server]:
        """A server process on the database, which may be killed."""
        async with serving_process(None, APP, **self.environment) as server:
            limits = httpx2.Limits(max_connections=None)
            async with httpx2.AsyncClient(
                base_url=server.url, timeout=60, limits=limits
            ) as server.http:
                yield server

    @asynccontextmanager
    async def begun(
        self, server: Server, point: Point, meddle: Meddle, *, auto_resume: bool = False
    ) -> AsyncIterator[Run]:
        """A reply begun on `server`, watched elsewhere, whose requests are meddled with."""
        self._count += 1
        talk = Conversation(f"c{self._count}", meddle)
        if point == ANYWHERE:
            talk.delta_interval_ms = self.random.choice((1, 20, 60))
        self.talks.add(talk)
        for tool in point.tools:
            await self.watcher.call("mutation", "mortalApp.shut", of=talk.name, tool=tool)
        talk.task = (await server.call("mutation", "tasks.create", title=talk.name))["_id"]
        async with self.room:
            begun = await server.call(
                "action",
                "streaming.streamChatWithTools",
                taskId=talk.task,
                prompt=f"{talk.name}: charge them",
                tools=[{"name": name} for name in TOOLS],
                autoResume=auto_resume,
            )
        talk.message = begun["messageId"]
        async with witnessing(self.watcher.http, talk.message) as witness:
            yield Run(talk, point, witness, auto_resume)


@asynccontextmanager
async def staged(uri: str, seed: int, staying: int = 2, **environment: str) -> AsyncIterator[Stage]:
    """A stand-in, an audit, and so many processes that stay."""
    talks = Conversations()
    standin = StandinServer(Script(respond=talks.respond))
    async with AsyncExitStack() as stack:
        base_url = await stack.enter_async_context(standin)
        client = await stack.enter_async_context(AsyncMongoClient[dict[str, Any]](uri))
        audit = await stack.enter_async_context(auditing(uri))
        stage = Stage(
            uri, standin, talks, audit, client[database_name(uri)],
            {
                "HEADWATER_MONGODB_URI": uri, "ANTHROPIC_API_KEY": KEY,
                "ANTHROPIC_BASE_URL": base_url, **environment,
            },
            random.Random(seed),
        )  # fmt: skip
        stage.staying += await asyncio.gather(
            *(stack.enter_async_context(stage.process()) for _ in range(staying))
        )
        yield stage
