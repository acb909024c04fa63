"""What a subscriber gets who was away for a while."""

import asyncio
import re

from scripts.bench.subscriber import hang_up, quiet, reached
from scripts.peers.reader import fetch, subscribe
from scripts.peers.scene import Scene
from scripts.peers.write_paths import UNMARKED
from scripts.peers.writer import Load

__all__ = ["NOTES", "WRITES", "outcome", "reconnect"]

NOTES = 50
"""Notes in the room that is followed."""
WRITES, WRITTEN_NOTES = 20, 10
"""What is written while the subscriber is away: two writes to each of ten notes."""
BEFORE = 2
"""Writes that it sees before it leaves."""
CATCH_UP_SECONDS_MAX = 2.0


async def reconnect(scene: Scene) -> tuple[int, str]:
    """Bytes that the return costs, and in words what the subscriber got for them."""
    contender, held = scene.contender, b""
    async with scene.writer() as writer:
        room = await writer.room(NOTES)
        readers = await scene.subscribe(room, 1, sampled=1, keeps=True)
        await writer.run(Load("mark", BEFORE))
        await reached(readers, BEFORE)
        if contender.fetching:
            held = await fetch(scene.port, contender.fetching(room, held))
        await hang_up(readers)
        await writer.run(Load("mark", WRITES, first=BEFORE + 1, notes=WRITTEN_NOTES))
        told = bytes(readers[0].told)
        resume = contender.resuming
        opening = resume(room, told) if resume else contender.opening(room)
        readers = await subscribe(scene.port, opening, 1, sampled=1, keeps=True)
        if contender.fetching:
            answer = await fetch(scene.port, contender.fetching(room, held))
        else:
            answer = b""
            await _caught_up(readers[0].told)
        await quiet(readers)
        await hang_up(readers)
    got = bytes(readers[0].told) + answer
    return len(got), outcome(got)


async def _caught_up(told: bytearray) -> None:
    """Wait for the last write; not for long, since where writes are lost it never comes."""
    last = f"{BEFORE + WRITES}@".encode()
    for _ in range(round(CATCH_UP_SECONDS_MAX / 0.02)):
        if last in told:
            return
        await asyncio.sleep(0.02)


def outcome(got: bytes) -> str:
    """What became of the writes, judged by the marks that were received."""
    numbers = {int(number) for number in re.findall(rb"(\d+)@\d+;", got)}
    missed = len([number for number in numbers if number > BEFORE])
    if BEFORE + WRITES not in numbers:
        return "missed writes are lost"
    if (unchanged := got.count(UNMARKED.encode())) > 0:
        return f"the whole query again, {unchanged + WRITTEN_NOTES} documents"
    if missed == WRITES:
        return f"the {WRITES} missed writes replayed"
    return f"the {missed} changed documents"
