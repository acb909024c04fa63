"""What one delivery costs, when many follow one query."""

from scripts.bench.contenders import Contender
from scripts.bench.processes import bare as bare_server
from scripts.bench.stage import Stage
from scripts.bench.subscriber import hang_up, subscribe
from scripts.bench.writer import Load

__all__ = ["measure_fan_out"]

SUBSCRIBERS = 200
SAMPLED = 10
WRITES_PER_SECOND = 100
TARGET = 3.0


async def measure_fan_out(stage: Stage, bare: Contender, sync: Contender) -> None:
    """CPU of the server for each write that reached each subscriber, merged with others or not."""
    floors: list[float] = []
    for rate, load in ((WRITES_PER_SECOND, f"{WRITES_PER_SECOND} writes/s"), (0, "unpaced")):
        totals = {"bare": (0.0, 0, 0.0), "sync": (0.0, 0, 0.0)}
        for _ in range(stage.sizes.rounds - 1):
            for contender in (bare, sync):
                cpu, writes, seconds = totals[contender.name]
                found = await _round(stage, contender, rate)
                totals[contender.name] = (cpu + found[0], writes + found[1], seconds + found[2])
        floor, ours = _each(totals["bare"]), _each(totals["sync"])
        floors.append(floor)
        per_second = [writes / seconds for _, writes, seconds in totals.values()]
        stage.report.judge(
            f"CPU per delivery, {SUBSCRIBERS} subscribers, {load}",
            ours / floor,
            TARGET,
            f"{ours:.1f} µs at {per_second[1]:.0f} writes/s, "
            f"bare {floor:.1f} µs at {per_second[0]:.0f}",
        )
    async with bare_server(stage.uri, uvloop=True) as on_uvloop:
        found = await _round(stage, on_uvloop, WRITES_PER_SECOND)
    stage.report.tell(
        f"beside it, {WRITES_PER_SECOND} writes/s, bare on uvloop",
        _each(found) / floors[0],
        f"{_each(found):.1f} µs",
    )


def _each(total: tuple[float, int, float]) -> float:
    """Microseconds of one delivery."""
    cpu, writes, _ = total
    return cpu / (writes * SUBSCRIBERS) * 1e6


async def _round(stage: Stage, contender: Contender, rate: float) -> tuple[float, int, float]:
    """CPU seconds, writes, and how long they took."""
    message = await stage.message(contender)
    path = contender.path(message.task_id)
    streams = await subscribe(contender.port, path, SUBSCRIBERS, SAMPLED)
    seconds = stage.sizes.fan_out_seconds
    load = Load(contender.database, message.id, "set", 1_000_000, rate, seconds)
    observed = await stage.observe(contender, streams, load)
    await hang_up(streams)
    return observed.cpu_seconds, observed.writes, observed.seconds
