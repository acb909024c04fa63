"""What a reply costs that grows by deltas of 12 characters."""

import httpx2

from scripts.bench.contenders import Contender
from scripts.bench.stage import Message, Observed, Stage
from scripts.bench.subscriber import Subscriber, hang_up, subscribe
from scripts.bench.writer import Load

__all__ = ["measure_deltas", "measure_growth"]

DELTAS_PER_SECOND = 100
LANES = 8
SOCKET_IO_BYTES = 144_636
"""What Socket.IO (Node, no database) sends for 2,000 such deltas."""


async def measure_deltas(stage: Stage, bare: Contender, live: Contender) -> None:
    """Bytes, and reads of the database, of one reply to one subscriber."""
    report, count = stage.report, stage.sizes.deltas
    floor = await _reply(stage, bare, Load(bare.database, "", "push", count))
    before, reads_before = await _reads(live), await _mongod_queries(stage)
    paced = await _reply(stage, live, Load(live.database, "", "push", count, DELTAS_PER_SECOND))
    reads = await _reads(live) - before
    finds = await _mongod_queries(stage) - reads_before
    report.judge(
        f"bytes of {count} deltas, {DELTAS_PER_SECOND}/s",
        paced.bytes / floor.bytes,
        1.5,
        f"{paced.bytes:,}, bare {floor.bytes:,}",
    )
    report.judge(
        "reads of MongoDB per delta",
        round(max(reads - 1, finds - 1) / count, 2),  # a job of the server's may read once
        0,
        f"{reads:.0f} query runs and fetches, {finds} finds at mongod; one is the subscription",
    )
    target = SOCKET_IO_BYTES * count / 2_000
    for lanes in (1, LANES):
        load = Load(live.database, "", "push", count, lanes=lanes)
        fast = await _reply(stage, live, load)
        said = f"{fast.writes / fast.seconds:.0f} deltas/s; Socket.IO {target:,.0f}"
        label = f"bytes of {count} deltas, unpaced, {lanes} writer(s)"
        if lanes > 1:
            report.judge(label, fast.bytes, target, said)
        else:
            report.tell(label, fast.bytes, said)


async def measure_growth(stage: Stage, bare: Contender, live: Contender) -> None:
    """The last quarter of a long reply beside the first of a new one, and bare, taking turns."""
    report, count = stage.report, stage.sizes.deltas
    quarter, turns = count // 4, 5
    old, old_streams = await _followed(stage, live)
    await stage.observe(live, old_streams, Load(live.database, old.id, "push", count - quarter))
    replies = {
        "bare": (bare, *await _followed(stage, bare)),
        "first": (live, *await _followed(stage, live)),
        "last": (live, old, old_streams),
    }
    cpu, size = dict.fromkeys(replies, 0.0), dict.fromkeys(replies, 0.0)
    for _ in range(turns):
        for name, (contender, message, streams) in replies.items():
            load = Load(contender.database, message.id, "push", quarter // turns, DELTAS_PER_SECOND)
            observed = await stage.observe(contender, streams, load)
            cpu[name] += observed.cpu_seconds / quarter * 1e6
            size[name] += observed.bytes / quarter
    for _, _, streams in replies.values():
        await hang_up(streams)
    for unit, cost in (("µs of CPU", cpu), ("bytes", size)):
        report.judge(
            f"{unit}: the last {quarter} deltas to the first",
            cost["last"] / cost["first"],
            1 + 1 / 3,
            f"{cost['last']:.0f} {unit} each, first {cost['first']:.0f}, bare {cost['bare']:.0f}",
        )


async def _followed(stage: Stage, contender: Contender) -> tuple[Message, list[Subscriber]]:
    message = await stage.message(contender)
    path = contender.path(message.task_id)
    return message, await subscribe(contender.port, path, 1, sampled=1)


async def _reply(stage: Stage, contender: Contender, load: Load) -> Observed:
    """One reply, written by `load`, whose message is made here."""
    message, streams = await _followed(stage, contender)
    observed = await stage.observe(
        contender,
        streams,
        Load(load.database, message.id, "push", load.count, load.rate, lanes=load.lanes),
    )
    await hang_up(streams)
    return observed


async def _reads(live: Contender) -> float:
    """How often the server has read the database for its streams."""
    async with httpx2.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{live.port}/metrics")).text
    wanted = ("headwater_query_runs_total ", "headwater_documents_fetched_total ")
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(wanted))


async def _mongod_queries(stage: Stage) -> int:
    status = await stage.client.admin.command("serverStatus")
    return status["opcounters"]["query"]
