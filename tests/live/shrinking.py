"""Makes a failing schedule smaller, in a bounded number of tries.

Source: A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002).
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tests.live.live_parts import Wrong
from tests.live.schedules import Schedule

__all__ = ["shrink"]

T = TypeVar("T")
Play = Callable[[Schedule], Awaitable[Wrong | None]]

TRIES_MAX = 400
SECONDS_MAX = 120.0


class _Shrinking:
    """The smallest schedule so far that fails."""

    def __init__(self, play: Play, schedule: Schedule, wrong: Wrong) -> None:
        self._play = play
        self._tries = TRIES_MAX
        self._until = time.monotonic() + SECONDS_MAX
        self._again = 1
        self.schedule = schedule
        self.wrong = wrong

    async def see_how_often(self) -> None:
        """How often the schedule fails; what depends on chance must be tried more than once."""
        failed = sum([await self._play(self.schedule) is not None for _ in range(3)])
        self._again = (4, 3, 2, 1)[failed]

    async def fails(self, smaller: Schedule) -> bool:
        """Whether `smaller` fails too; then it is the smallest."""
        for _ in range(self._again):
            if self._tries == 0 or time.monotonic() > self._until:
                return False
            self._tries -= 1
            wrong = await self._play(smaller)
            if wrong is not None:
                self.schedule, self.wrong = smaller, wrong
                return True
        return False

    async def fewer(self, items: Sequence[T], made: Callable[[list[T]], Schedule]) -> None:
        """Leave out whatever of `items` the failure does not need; `made` puts the rest in."""
        kept, size = list(items), len(items)
        while size >= 1:
            start = 0
            while start < len(kept):
                rest = kept[:start] + kept[start + size :]
                if await self.fails(made(rest)):
                    kept = rest
                else:
                    start += size
            size //= 2


async def shrink(play: Play, schedule: Schedule, wrong: Wrong) -> tuple[Schedule, Wrong]:
    """A smaller schedule that fails, and how; `schedule` itself where none does."""
    run = _Shrinking(play, schedule, wrong)
    await run.see_how_often()
    await run.fails(replace(run.schedule, limits={}))
    await run.fails(_in_turn(run.schedule))
    if run.wrong.query is not None:
        await run.fails(_only(run.schedule, run.wrong))
    for _ in range(2):
        await _step_by_step(run)
    return run.schedule, run.wrong


async def _step_by_step(run: _Shrinking) -> None:
    now = run.schedule
    await run.fewer(now.bursts, lambda bursts: replace(run.schedule, bursts=bursts))
    for index in range(len(run.schedule.bursts)):
        await _fewer_writes(run, index, run.schedule.bursts[index])
    await run.fewer(
        run.schedule.documents, lambda documents: replace(run.schedule, documents=documents)
    )
    await run.fewer(run.schedule.clients, lambda clients: replace(run.schedule, clients=clients))
    await _smaller_documents(run)


async def _fewer_writes(run: _Shrinking, index: int, burst: list[list[dict[str, Any]]]) -> None:
    def with_burst(changed: list[list[dict[str, Any]]]) -> Schedule:
        bursts = [*run.schedule.bursts]
        bursts[index] = changed
        return replace(run.schedule, bursts=bursts)

    for number in range(len(burst)):

        def with_writer(some: list[dict[str, Any]], number: int = number) -> Schedule:
            writers = [*run.schedule.bursts[index]]
            writers[number] = some
            return with_burst(writers)

        await run.fewer(burst[number], with_writer)
        some = run.schedule.bursts[index][number]
        apart = [one for whole in some for one in whole.get("writes", [whole])]
        if len(apart) > len(some) and await run.fails(with_writer(apart)):
            await run.fewer(apart, with_writer)


async def _smaller_documents(run: _Shrinking) -> None:
    """Leave out fields of the documents that are there before."""
    for index in range(len(run.schedule.documents)):
        one = run.schedule.documents[index]
        for name in [name for name in one["document"] if name != "_id"]:
            documents = [*run.schedule.documents]
            old = documents[index]["document"]
            fields = {k: v for k, v in old.items() if k != name}
            documents[index] = {**one, "document": fields}
            await run.fails(replace(run.schedule, documents=documents))


def _in_turn(schedule: Schedule) -> Schedule:
    """One writer, which does what the several did, by turns."""
    bursts: list[list[list[dict[str, Any]]]] = []
    for burst in schedule.bursts:
        longest = max(map(len, burst), default=0)
        turns = [some[n] for n in range(longest) for some in burst if n < len(some)]
        bursts.append([turns])
    return replace(schedule, bursts=bursts)


def _only(schedule: Schedule, wrong: Wrong) -> Schedule:
    """The one query with which it showed; clients keep their numbers."""
    number = schedule.queries.index(wrong.query) if wrong.query in schedule.queries else 0
    clients = [
        {**one, "queries": [0] if number in one["queries"] else []} for one in schedule.clients
    ]
    return replace(schedule, queries=[schedule.queries[number]], clients=clients)
