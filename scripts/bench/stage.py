"""What the measurements share: the database, the writer, the report, how much to measure."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pymongo import AsyncMongoClient

from scripts.bench.contenders import Contender
from scripts.bench.processes import Writer, cpu_seconds
from scripts.bench.report import Report
from scripts.bench.subscriber import Subscriber, quiet, reached
from scripts.bench.writer import Load

__all__ = ["Message", "Observed", "Sizes", "Stage"]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        rounds: How often contenders take turns; more rounds beat the noise of a shared machine.
        latency_writes: Writes of one contender in one round.
        deltas: Of a whole reply; a multiple of 40.
        fan_out_seconds: Load of one contender in one round.
        idle: Subscribers who get nothing.
        changes: Of one kind, in one turn of one engine.
        single_changes: The same, where each waits for the one before to be told.
        queries: Live queries of one table: few, many, and many whose filters are ranges.
        maintained: Documents of a find, with how many times cheaper maintaining it must be.
        burst: Updates of one burst.
        bursts: Of each kind.
        window: Documents of a find, few and many.
        document_kilobytes: A large document.
        streams: Of one query, few and many.
        slow_seconds: How long a slow function is touched.
        replies: At once, of Claude.
        reply_deltas: Of each of them.
        reply_rounds: How often they take turns with one alone.
        people: In one task, and how many of them move.
        presence_seconds: How long they are there.
        conversation: Messages of the one that a browser shows.
        frames_seconds: How long its frames are counted, at rest and with deltas.
    """

    rounds: int = 4
    latency_writes: int = 75
    deltas: int = 2_000
    fan_out_seconds: float = 3.0
    idle: int = 1_000
    changes: int = 150
    single_changes: int = 20
    queries: tuple[int, int, int] = (100, 10_000, 1_000)
    maintained: dict[int, float] = field(default_factory=lambda: {200: 20, 2_000: 100})
    burst: int = 10_000
    bursts: int = 3
    window: tuple[int, int] = (50, 5_000)
    document_kilobytes: int = 1_000
    streams: tuple[int, int] = (100, 10_000)
    slow_seconds: float = 5.0
    replies: int = 100
    reply_deltas: int = 100
    reply_rounds: int = 2
    people: tuple[int, int] = (200, 50)
    presence_seconds: float = 60.0
    conversation: int = 500
    frames_seconds: float = 10.0

    @classmethod
    def quick(cls) -> "Sizes":
        """A sample: shows whether anything is far off."""
        return cls(
            rounds=2,
            latency_writes=40,
            deltas=400,
            fan_out_seconds=1.5,
            idle=200,
            changes=60,
            single_changes=8,
            slow_seconds=3,
            reply_rounds=1,
            presence_seconds=5,
            frames_seconds=3,
        )

    @classmethod
    def miniature(cls) -> "Sizes":
        """Shows whether the bench itself works; says nothing of the server."""
        return cls(
            rounds=1, changes=6, single_changes=3, queries=(3, 6, 4), maintained={4: 0, 8: 0},
            burst=40, bursts=1, window=(5, 10), document_kilobytes=8, streams=(3, 12),
            slow_seconds=0.5, replies=3, reply_deltas=4, reply_rounds=1,
            people=(4, 2), presence_seconds=0.4, conversation=5, frames_seconds=0.3,
        )  # fmt: skip


@dataclass(frozen=True)
class Message:
    """A message that is written, in a task of its own."""

    id: str
    task_id: str


@dataclass(frozen=True)
class Observed:
    """What one load did.

    Attributes:
        writes: How many.
        seconds: How long the writing took.
        cpu_seconds: What the server used, until all of it had arrived.
        bytes: What one subscriber got, at the most.
        latencies_us: Of the sampled subscribers.
    """

    writes: int
    seconds: float
    cpu_seconds: float
    bytes: int
    latencies_us: list[int]


@dataclass(frozen=True)
class Stage:
    """Where the measurements are made."""

    client: AsyncMongoClient[dict[str, Any]]
    uri: str
    writer: Writer
    report: Report
    sizes: Sizes

    async def message(self, contender: Contender) -> Message:
        """A new message for `contender`, with one chunk of text."""
        message = Message(secrets.token_hex(12), secrets.token_hex(12))
        now = datetime.now(UTC)
        await self.client[contender.database]["chatMessages"].insert_one(
            {
                "_id": message.id,
                "createdAt": now,
                "updatedAt": now,
                "taskId": message.task_id,
                "role": "assistant",
                "sequence": 1,
                "status": "COMPLETED",  # no sweep takes an interest in it
                "parts": [{"type": "text", "text": ["lorem ipsum dolor sit amet " * 8]}],
                "model": "none",
            }
        )
        return message

    async def observe(
        self, contender: Contender, subscribers: list[Subscriber], load: Load
    ) -> Observed:
        """Have `load` written while `subscribers` read.

        Raises:
            TimeoutError: Some of it never arrived.
        """
        for one in subscribers:
            one.reset()
        used = cpu_seconds(contender.pid)
        written = await self.writer.run(load)
        await reached(subscribers, written.count)
        if len(subscribers) > 1:
            await quiet(subscribers)  # those who are not sampled get the rest
        used = cpu_seconds(contender.pid) - used
        return Observed(
            written.count,
            written.seconds,
            used,
            max(one.bytes for one in subscribers),
            [latency for one in subscribers for latency in one.latencies_us],
        )
