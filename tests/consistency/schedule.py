"""Schedules of a trial: who looks on, who writes, and what goes wrong when.

A schedule is made from a seed and can be kept as a file. What happens between its steps is left
to the machine, so the same schedule may pass or fail; its file says what to try again.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

LIGHT = ["cut", "cut", "cut", "cut", "kill_sessions", "fail", "pause_server"]
HEAVY = [*LIGHT, "step_down", "kill_primary", "freeze_primary"]
RESUMES = ["last-event-id", "last-event-id", "from", "anew"]
GET_MORE_ERRORS = [43, 91, 136, 280, 286, 11601, 11602, 10107, 262, 8000]
READ_ERRORS = [6, 91, 189, 239, 246, 10107, 11601, 11602]


@dataclass(frozen=True)
class Schedule:
    """What a trial does.

    Attributes:
        seed: Of the writers' choices.
        writers: How many write at once.
        observers: For each: the kind of its stream, and whether it is strict.
        duration_ms: How long the writers write.
        steps: Each with ``at`` (milliseconds), ``do``, and what that needs; in order.
    """

    seed: int
    writers: int
    observers: list[dict[str, Any]]
    duration_ms: int
    steps: list[dict[str, Any]]

    @classmethod
    def random(cls, seed: int, *, heavy: bool) -> "Schedule":
        """The schedule of `seed`; a heavy one has elections too."""
        rng = random.Random(seed)
        observers = [
            {"kind": rng.choice(["sync", "sync", "live"]), "strict": rng.random() < 0.4}
            for _ in range(rng.randint(2, 5))
        ]
        duration_ms = rng.randint(3_000, 4_000) if heavy else rng.randint(400, 1_500)
        steps = [
            _step(rng, rng.choice(HEAVY if heavy else LIGHT), len(observers), duration_ms)
            for _ in range(rng.randint(3, 12))
        ]
        if heavy:
            steps.append(_step(rng, rng.choice(HEAVY[-3:]), len(observers), duration_ms // 2))
        steps.sort(key=lambda step: step["at"])
        return cls(seed, rng.randint(1, 4), observers, duration_ms, steps)

    @classmethod
    def read(cls, path: Path) -> "Schedule":
        """A schedule that was kept."""
        return cls(**json.loads(path.read_text("utf-8")))

    def smaller(self) -> Iterator["Schedule"]:
        """Schedules with less in them; those that leave out most come first."""
        half = len(self.steps) // 2
        if half > 1:
            yield replace(self, steps=self.steps[:half])
            yield replace(self, steps=self.steps[half:])
        for left_out in range(len(self.steps)):
            yield replace(self, steps=self.steps[:left_out] + self.steps[left_out + 1 :])
        if len(self.observers) > 1:
            yield replace(self, observers=self.observers[:1])
            yield replace(self, observers=self.observers[1:])

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), indent=1) + "\n"


def _step(rng: random.Random, kind: str, observers: int, duration_ms: int) -> dict[str, Any]:
    step: dict[str, Any] = {"at": rng.randint(50, duration_ms), "do": kind}
    match kind:
        case "cut":
            step["observer"] = rng.randrange(observers)
            step["resume"] = rng.choice(RESUMES)
            step["away_ms"] = rng.choice([0, 0, 20, 200, 600])
            step["server"] = rng.randrange(2)
        case "fail":
            step["command"] = rng.choice(["getMore", "getMore", "aggregate", "find"])
            step["times"] = rng.randint(1, 4)
            if rng.random() < 0.3:
                step["data"] = {"closeConnection": True}
            else:
                errors = GET_MORE_ERRORS if step["command"] == "getMore" else READ_ERRORS
                step["data"] = {"errorCode": rng.choice(errors)}
        case "pause_server":
            step["server"] = rng.randrange(2)
            step["for_ms"] = rng.choice([50, 300, 1_000])
        case "kill_primary":
            step["for_ms"] = rng.choice([0, 500, 1_500])
        case "freeze_primary":
            step["for_ms"] = rng.choice([300, 1_500, 3_000])
    return step
