"""How long it takes from a write to a browser's event."""

from statistics import quantiles

from scripts.bench.contenders import Contender
from scripts.bench.stage import Stage
from scripts.bench.subscriber import hang_up, subscribe
from scripts.bench.writer import Load

__all__ = ["measure_latency"]

WRITES_PER_SECOND = 50
WARM_UP_WRITES = 20


async def measure_latency(
    stage: Stage, contenders: list[Contender], subscribers: int, target: float
) -> None:
    """Contenders take turns under one load; the first of them is the floor."""
    report, sizes = stage.report, stage.sizes
    latencies: dict[str, list[int]] = {one.name: [] for one in contenders}
    for round_ in range(sizes.rounds + 1):
        for contender in contenders:
            found = await _round(stage, contender, subscribers, warm_up=round_ == 0)
            if round_ > 0:
                latencies[contender.name] += found
    floor = _percentiles(latencies["bare"])
    for contender in contenders[1:]:
        ours = _percentiles(latencies[contender.name])
        for percent, target_here in ((50, target), (99, None)):
            label = f"/api/{contender.name}, {subscribers} subscriber(s), p{percent}"
            ratio = ours[percent] / floor[percent]
            said = f"{ours[percent]:.2f} ms, bare {floor[percent]:.2f} ms"
            if target_here is not None and contender.name == "sync":
                report.judge(label, ratio, target_here, said)
            else:
                report.tell(label, ratio, said)


async def _round(
    stage: Stage, contender: Contender, subscribers: int, *, warm_up: bool
) -> list[int]:
    message = await stage.message(contender)
    path = contender.path(message.task_id)
    streams = await subscribe(contender.port, path, subscribers, sampled=subscribers)
    count = WARM_UP_WRITES if warm_up else stage.sizes.latency_writes
    load = Load(contender.database, message.id, "set", count, WRITES_PER_SECOND)
    observed = await stage.observe(contender, streams, load)
    await hang_up(streams)
    return observed.latencies_us


def _percentiles(latencies_us: list[int]) -> dict[int, float]:
    """The median and the 99th percentile, in milliseconds."""
    cuts = quantiles(latencies_us, n=100)
    return {percent: cuts[percent - 1] / 1000 for percent in (50, 99)}
