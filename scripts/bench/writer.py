"""The load: a process of its own that writes straight into MongoDB, at write concern majority.

    python -m scripts.bench.child writer URI

It reads one `Load` as JSON from each line of its input, carries it out, and prints a `Written`.
One write is in flight on each lane. It ends with its input.
"""

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pymongo import MongoClient
from pymongo.collection import Collection

__all__ = ["Load", "Written", "main"]


@dataclass(frozen=True)
class Load:
    """Writes to one document.

    Attributes:
        database: Where the document is.
        id: Its ``_id``.
        kind: ``set`` replaces a short field by the write's number, with the time at which it was
            made; ``push`` appends a delta of 12 characters to the text.
        count: How many writes.
        rate: Writes per second; 0 writes as fast as they are acknowledged.
        seconds: No write is begun later than this.
        lanes: Connections that share the writes; only with rate 0.
    """

    database: str
    id: str
    kind: Literal["set", "push"]
    count: int
    rate: float = 0
    seconds: float = 60
    lanes: int = 1


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        count: How many writes, all acknowledged.
        seconds: How long that took.
    """

    count: int
    seconds: float


def _write(load: Load, messages: Collection[dict[str, Any]]) -> Written:
    started = time.monotonic()
    if load.lanes == 1:
        count = _lane(load, messages, load.count, started)
    else:
        share = load.count // load.lanes
        lanes = [
            threading.Thread(target=_lane, args=(load, messages, share, started))
            for _ in range(load.lanes)
        ]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        count = share * load.lanes
    return Written(count, time.monotonic() - started)


def _lane(load: Load, messages: Collection[dict[str, Any]], count: int, started: float) -> int:
    for number in range(1, count + 1):
        if load.rate:
            time.sleep(max(0.0, started + (number - 1) / load.rate - time.monotonic()))
        if time.monotonic() - started > load.seconds:
            return number - 1
        messages.update_one({"_id": load.id}, _update(load, number))
    return count


def _update(load: Load, number: int) -> dict[str, Any]:
    if load.kind == "push":
        return {"$push": {"parts.0.text": f"tok{number:08} "}}
    return {"$set": {"model": f"{number}@{time.monotonic_ns() // 1000};"}}


def main() -> None:
    """Run the program."""
    with MongoClient[dict[str, Any]](sys.argv[1], w="majority") as client:
        for line in sys.stdin:
            load = Load(**json.loads(line))
            written = _write(load, client[load.database]["chatMessages"])
            print(json.dumps(asdict(written)), flush=True)
