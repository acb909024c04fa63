"""One trial: a schedule is run on a replica set and two servers, and then judged."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from tests.consistency.history import History, Time, expected
from tests.consistency.judge import judge
from tests.consistency.observer import Observer
from tests.consistency.schedule import Schedule
from tests.consistency.writer import Knowledge, Writer
from tests.headwater_command import Server, serving_process
from tests.replica_set import ReplicaSet, replica_set

APP = Path(__file__).with_name("bank_app.py")
ACCOUNTS = 6
SETTLE_SECONDS = 60
FEED = "headwater feed"


@dataclass
class Stage:
    """Where trials are held, one after another."""

    replica_set: ReplicaSet
    servers: list[Server]
    client: AsyncMongoClient[dict[str, Any]]
    database: str
    one_is_missing: asyncio.Lock


@dataclass(frozen=True)
class Verdict:
    """What became of a trial.

    Attributes:
        faults: What was wrong.
        writes: How many were acknowledged.
        transitions: How many were seen.
    """

    faults: list[str]
    writes: int
    transitions: int


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """A replica set of three, and two servers on it."""
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(folder))
        uri = members.uri("bank")
        commands = [
            serving_process(None, f"{APP}:app", HEADWATER_MONGODB_URI=uri) for _ in range(2)
        ]
        servers = await asyncio.gather(*map(stack.enter_async_context, commands))
        client = await stack.enter_async_context(
            AsyncMongoClient[dict[str, Any]](
                uri,
                w="majority",
                readConcernLevel="majority",
                serverSelectionTimeoutMS=5_000,
                socketTimeoutMS=5_000,
                appName="tests",
            )
        )
        yield Stage(members, servers, client, "bank", asyncio.Lock())


async def try_schedule(
    here: Stage, schedule: Schedule, together: asyncio.Barrier | None = None
) -> Verdict:
    """Run `schedule`, let everything come to rest, and judge.

    Args:
        here: Where it is run.
        schedule: What is done.
        together: Where those meet who are tried at the same time, when they are ready to begin
            and when nothing goes wrong any more; who sets up or judges is left in peace.
    """
    together = together or asyncio.Barrier(1)
    try:
        return await _try(here, schedule, together)
    except BaseException:
        await together.abort()
        raise


async def _try(here: Stage, schedule: Schedule, together: asyncio.Barrier) -> Verdict:
    run = uuid4().hex[:8]
    database = here.client[here.database]
    accounts = [f"{run}-a{number}" for number in range(ACCOUNTS)]
    async with here.client.start_session() as session:
        await database["marks"].insert_one({"_id": run}, session=session)
        begin = session.operation_time
        await database["accounts"].insert_many(
            [
                {"_id": id_, "run": run, "rank": rank, "side": "left", "amount": 0, "version": 0}
                | {"writer": ""}
                for rank, id_ in enumerate(accounts)
            ],
            session=session,
        )
        opened_at: Time = (session.operation_time.time, session.operation_time.inc)
    clients = [server.http for server in here.servers]
    rng = random.Random(schedule.seed)
    knowledge = Knowledge(told=opened_at)
    writers = [
        Writer(run, accounts, clients, database, knowledge, random.Random(rng.random()))
        for _ in range(schedule.writers)
    ]
    observers = [
        Observer(
            clients,
            _queries(one["kind"], run, number),
            one["kind"],
            one["strict"],
            number % len(clients),
            run,
        )
        for number, one in enumerate(schedule.observers)
    ]
    ended = asyncio.Event()
    await together.wait()
    watching = [asyncio.create_task(one.run()) for one in observers]
    writing = [asyncio.create_task(one.run(ended)) for one in writers]
    faults: list[str] = []
    try:
        await _play(here, schedule, observers)
        ended.set()
        await together.wait()
        async with asyncio.timeout(SETTLE_SECONDS):
            await asyncio.gather(*writing)
            end = await writers[0].end()
        faults += await _all_reach(observers, end)
        faults += await _final_values(database, run, observers)
    except TimeoutError:
        doing = [(one.doing, one.refused) for one in writers]
        faults.append(f"the writers were not done in time: {doing}")
    finally:
        for task in (*watching, *writing):
            task.cancel()
        ended_how = await asyncio.gather(*watching, *writing, return_exceptions=True)
    faults += [repr(one) for one in ended_how if isinstance(one, Exception)]
    if not faults:
        history = await History.read(here.client, here.database, run, begin)
        history.states = [
            {id_: one for id_, one in state.items() if id_.startswith(run)}
            for state in history.states
        ]
        faults += judge(history, observers, knowledge)
    return Verdict(faults, len(knowledge.acknowledged), sum(len(one.seen) for one in observers))


def _queries(kind: str, run: str, number: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """What an observer looks at; one that follows a live stream, at one of them only."""
    sides = {side: ("bankApp.side", {"run": run, "side": side}) for side in ("left", "right")}
    whole = {
        name: (f"bankApp.{name}", {"run": run})
        for name in ("everything", "richest", "book", "total")
    }
    queries: dict[str, tuple[str, dict[str, Any]]] = {**whole, **sides}
    if kind == "live":
        chosen = list(queries)[number % len(queries)]
        return {chosen: queries[chosen]}
    return queries


# --- what goes wrong ----------------------------------------------------------------------------


async def _play(here: Stage, schedule: Schedule, observers: list[Observer]) -> None:
    """Take the steps at their times, each in a task of its own; then make everything whole."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    running: list[asyncio.Task[None]] = []
    try:
        for step in schedule.steps:
            await asyncio.sleep(max(0, begin + step["at"] / 1000 - loop.time()))
            running.append(asyncio.create_task(_take(here, step, observers)))
        await asyncio.sleep(max(0, begin + schedule.duration_ms / 1000 - loop.time()))
        await asyncio.gather(*running)
    finally:
        for server in here.servers:
            server.command.process.send_signal(signal.SIGCONT)
        await here.replica_set.heal()


async def _take(here: Stage, step: dict[str, Any], observers: list[Observer]) -> None:
    members = here.replica_set
    match step["do"]:
        case "cut":
            one = observers[step["observer"] % len(observers)]
            one.cut(step["resume"], step["away_ms"] / 1000, step["server"])
        case "kill_sessions":
            await _attempt(members.kill_all_sessions())
        case "fail":
            name = FEED if step["command"] in ("getMore", "aggregate") else "headwater"
            failing = members.fail(
                step["command"], times=step["times"], appName=name, **step["data"]
            )
            await _attempt(failing)
        case "pause_server":
            process = here.servers[step["server"]].command.process
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(step["for_ms"] / 1000)
            process.send_signal(signal.SIGCONT)
        case "step_down":
            await _attempt(members.step_down())
        case "kill_primary" | "freeze_primary":
            if here.one_is_missing.locked():
                return  # of three members, one may be
            async with here.one_is_missing:
                freezing = step["do"] == "freeze_primary"
                member = await (members.freeze_primary() if freezing else members.kill_primary())
                await asyncio.sleep(step["for_ms"] / 1000)
                if freezing:
                    member.thaw()
                else:
                    await member.start()
        case kind:
            raise AssertionError(kind)


async def _attempt(work: Awaitable[None]) -> None:
    """An administrator's command may meet an election, and is not worth waiting for then."""
    try:
        async with asyncio.timeout(2):
            await work
    except (PyMongoError, TimeoutError):
        return


# --- the end --------------------------------------------------------------------------------------


async def _all_reach(observers: list[Observer], end: Time) -> list[str]:
    """Wait until everybody was told of the last write."""
    faults: list[str] = []
    for number, one in enumerate(observers):
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await one.reached(end)
        except TimeoutError:
            held = one.seen[-1] if one.seen else None
            faults.append(f"observer {number} was left behind {end}, with {held}")
    return faults


async def _final_values(database: Any, run: str, observers: list[Observer]) -> list[str]:
    """Compare what is held with a fresh find; nobody writes any more."""
    state = {one["_id"]: one async for one in database["accounts"].find({"run": run})}
    state |= {one["_id"]: one async for one in database["entries"].find({"run": run})}
    return [
        f"observer {number} ends with {id_} {one.seen[-1].pictures.get(id_)}"
        for number, one in enumerate(observers)
        if one.seen
        for id_ in one.queries
        if one.seen[-1].pictures.get(id_) != expected(id_, state)
    ]
