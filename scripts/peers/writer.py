"""The load: a process of its own that writes by a server's public way, one write in flight.

    python -m scripts.bench.child peer-writer WAY URI PORT

It reads one `Room` or `Load` as JSON from each line of its input, carries it out, and prints a
`Written`. It ends with its input.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Literal

from scripts.bench.writer import Written
from scripts.peers.write_paths import WAYS, Way

__all__ = ["Load", "Room", "Written", "main"]


@dataclass(frozen=True)
class Room:
    """Notes to be made; what is written later is written to them.

    Attributes:
        room: Its name, new each time.
        notes: How many.
    """

    room: str
    notes: int = 1


@dataclass(frozen=True)
class Load:
    """Writes to the notes of the last room, in turn.

    Attributes:
        kind: ``mark`` replaces a short field by the write's number, with the time at which it was
            begun; ``append`` lets the text grow by 12 characters.
        count: How many writes.
        rate: Writes per second; 0 writes as fast as they are acknowledged.
        seconds: No write is begun later than this.
        first: The number of the first write.
        notes: Over how many of the room's notes they go.
    """

    kind: Literal["mark", "append"]
    count: int
    rate: float = 0
    seconds: float = 30
    first: int = 1
    notes: int = 1


def _write(load: Load, way: Way) -> Written:
    started = time.monotonic()
    for done in range(load.count):
        if load.rate:
            time.sleep(max(0.0, started + done / load.rate - time.monotonic()))
        if time.monotonic() - started > load.seconds:
            return Written(done, time.monotonic() - started)
        number, note = load.first + done, done % load.notes
        if load.kind == "append":
            way.append(note, f"tok{number:08} ")
        else:
            way.mark(note, f"{number}@{time.monotonic_ns() // 1000};")
    return Written(load.count, time.monotonic() - started)


def main() -> None:
    """Run the program."""
    way = WAYS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    for line in sys.stdin:
        asked = json.loads(line)
        if "room" in asked:
            started = time.monotonic()
            way.seed(asked["room"], asked["notes"])
            written = Written(asked["notes"], time.monotonic() - started)
        else:
            written = _write(Load(**asked), way)
        print(json.dumps(asdict(written)), flush=True)
