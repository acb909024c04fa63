"""Schedules: what is asked, who writes what, and which readers come and go, from a seed, as data.

A schedule says everything but how its writers interleave; therefore it can be kept in a file,
played again and made smaller.
"""

import random
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from bson import DatetimeConversion, json_util

from tests.live.random_queries import Query, query
from tests.live.random_writes import document, kinds_of, write
from tests.live.things import STAGING, ids

__all__ = ["Schedule", "schedule"]

Burst = list[list[dict[str, Any]]]
"""For each writer what it does, one after another; the writers do it at the same time."""

_LIMITS: dict[str, tuple[float, ...]] = {
    "WINDOW_BUFFER": (20, 1, 3),
    "LOG_BYTES_MIN": (2 << 10, 200),
    "LOG_ENTRIES_MAX": (4_096, 3),
    "LINGER_SECONDS": (10.0, 0.0, 0.02),
    "RING_EVENTS_MAX": (50_000, 50_000, 20),
    "FEED_BATCH_BYTES_SPLIT": (8 << 20, 8 << 20, 500),
    "FEED_BATCH_EVENTS_MAX": (1_024, 1_024, 3),
    "ROUND_SECONDS": (0.25, 0.01),
    "GRACE_SECONDS": (0.02, 0.0),
}


@dataclass
class Schedule:
    """One play.

    Attributes:
        seed: From which it was made.
        limits: Bounds of the server that are other than usual, so that they are met.
        queries: What is asked.
        clients: For each reader, the numbers of its queries, and whether its stream is strict.
        documents: What is there before, by collection.
        bursts: What is done; after each of them everything comes to rest and is compared.
    """

    seed: int
    limits: dict[str, float] = field(default_factory=dict[str, float])
    queries: list[Query] = field(default_factory=list[Query])
    clients: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    documents: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    bursts: list[Burst] = field(default_factory=list[Burst])

    @property
    def kinds(self) -> Counter[str]:
        """How many operations it has of each kind."""
        return sum(
            (
                kinds_of(one)
                for burst in self.bursts
                for some in burst
                for one in some
                if "do" in one
            ),
            Counter[str](),
        )

    def to_json(self) -> str:
        """As Extended JSON, a line for each item."""
        return json_util.dumps(
            _escaped(asdict(self)), json_options=json_util.CANONICAL_JSON_OPTIONS, indent=1
        )

    @classmethod
    def from_json(cls, text: str) -> "Schedule":
        """Read what `to_json` gave."""
        options = json_util.CANONICAL_JSON_OPTIONS.with_options(
            tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
        )
        return cls(**_unescaped(json_util.loads(text, json_options=options)))


def _escaped(value: Any) -> Any:
    """Extended JSON takes a filter's ``$regex`` for a value of its own."""
    if isinstance(value, dict):
        return {("$$regex" if k == "$regex" else k): _escaped(v) for k, v in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, list | tuple) else value


def _unescaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {("$regex" if k == "$$regex" else k): _unescaped(v) for k, v in value.items()}
    return [_unescaped(one) for one in value] if isinstance(value, list) else value


def schedule(seed: int, *, bulk_max: int = 500) -> Schedule:
    """A schedule of some hundred operations, or of some thousand with fewer comparisons each.

    Args:
        seed: From which it is made.
        bulk_max: How many writes a bulk may have.
    """
    rng = random.Random(seed)
    made = Schedule(seed)
    made.limits = {name: rng.choice(values) for name, values in _LIMITS.items()}
    bulk = min(bulk_max, rng.choice((12, 60, 200, 500)))
    made.queries = [query(rng) for _ in range(rng.randrange(6, 20))]
    numbers = range(len(made.queries))
    for _ in range(rng.randrange(3, 8)):
        some = rng.sample(numbers, rng.randrange(1, len(numbers) + 1))
        made.clients.append({"queries": some, "strict": rng.random() < 0.3})
    for collection in ("things", "objects", "guards", STAGING):
        for id_ in ids("things" if collection == STAGING else collection):
            if rng.random() < 0.6:
                new = document(rng, collection, id_)
                made.documents.append({"in": collection, "document": new})
    upheaval = rng.random() < 0.2
    for _ in range(rng.randrange(2, 8)):
        made.bursts.append(
            [_writer(rng, len(made.clients), bulk, upheaval) for _ in range(rng.randrange(1, 5))]
        )
    return made


def _writer(rng: random.Random, clients: int, bulk: int, upheaval: bool) -> list[dict[str, Any]]:
    """What one writer does; what readers do at the same time is said there too."""
    made: list[dict[str, Any]] = []
    for _ in range(rng.randrange(3, 24)):
        if rng.random() < 0.25:
            act = rng.choice(("leave", "come", "come anew", "pause", "go on", "look", "look"))
            made.append({"client": rng.randrange(clients), "act": act})
        else:
            made.append(write(rng, bulk, upheaval=upheaval))
    return made
