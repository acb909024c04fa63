"""Replies of Claude, many at once on one process: from a delta to a subscriber's event.

One reply alone is the floor; alone and together take turns in one run.
"""

import asyncio
import json
from urllib.parse import quote

import httpx2

from scripts.bench.claude import prompt
from scripts.bench.marks import milliseconds
from scripts.bench.processes import cpu_seconds, running, said
from scripts.bench.stage import Stage
from scripts.bench.subscriber import Subscriber, hang_up, reached

__all__ = ["measure_replies"]

DELTAS_PER_SECOND = 20
SUBSCRIBERS = 3
TARGET = 3.0
DATABASE = "bench_replies"


async def measure_replies(stage: Stage) -> None:
    """One reply alone, and many at once."""
    sizes, report = stage.sizes, stage.report
    pace = [str(sizes.reply_deltas), str(DELTAS_PER_SECOND)]
    async with running(["claude", *pace], {}) as claude:
        claude_port = int((await said(claude, r"READY (\d+)"))[1])
        own = {
            "HEADWATER_MONGODB_URI": stage.uri.replace("/headwater?", f"/{DATABASE}?"),
            "HEADWATER_PORT": "0",
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{claude_port}",
        }
        async with running(["headwater", "serve"], own) as server:
            port = int((await said(server, r"Headwater +http://127\.0\.0\.1:(\d+)"))[1])
            await _round(port, 1, sizes.reply_deltas)  # warm
            alone: list[tuple[int, list[int]]] = []
            together: list[tuple[int, list[int]]] = []
            used = 0.0
            for _ in range(sizes.reply_rounds):
                for _ in range(3):
                    alone += await _round(port, 1, sizes.reply_deltas)
                used -= cpu_seconds(server.pid)
                together += await _round(port, sizes.replies, sizes.reply_deltas)
                used += cpu_seconds(server.pid)
    one, many = (
        milliseconds([us for _, deltas in streams for us in deltas])
        for streams in (alone, together)
    )
    first, firsts = (milliseconds([us for us, _ in streams]) for streams in (alone, together))
    deltas = sizes.replies * sizes.reply_deltas * sizes.reply_rounds
    label = f"{sizes.replies} replies, {DELTAS_PER_SECOND} deltas/s, {SUBSCRIBERS} subscribers each"
    report.judge(
        f"{label}: p95 to one alone",
        many[1] / one[1],
        TARGET,
        f"{many[1]:.1f} ms (p50 {many[0]:.1f}), alone {one[1]:.1f} (p50 {one[0]:.1f}); "
        f"{used / deltas * 1e6:.0f} µs of CPU for a delta; all finished",
    )
    report.tell(
        "from prompt to first token at a subscriber, p95 to one alone",
        firsts[1] / first[1],
        f"{firsts[1]:.1f} ms (p50 {firsts[0]:.1f}), alone {first[1]:.1f} (p50 {first[0]:.1f})",
    )


async def _round(port: int, replies: int, deltas: int) -> list[tuple[int, list[int]]]:
    """Ask for replies at once; of each subscriber, how long the first and the other deltas took.

    Raises:
        TimeoutError: A reply did not finish.
    """
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        tasks = [await _new_task(http) for _ in range(replies)]
        streams = [one for task in tasks for one in await _followed(port, task)]
        seconds = 1 / DELTAS_PER_SECOND / replies
        asking: list[asyncio.Task[None]] = []
        for task in tasks:  # spread over the time between two deltas, as people are
            asking.append(asyncio.create_task(_ask(http, task)))
            await asyncio.sleep(seconds)
        await asyncio.gather(*asking)
        await reached(streams, deltas)
        for task in tasks:
            await _finished(http, task)
        await hang_up(streams)
    return [(one.latencies_us[0], one.latencies_us[1:]) for one in streams]


async def _new_task(http: httpx2.AsyncClient) -> str:
    answer = await http.post("/api/mutation/tasks.create", json={"title": "bench"})
    return answer.json()["value"]["_id"]


async def _ask(http: httpx2.AsyncClient, task: str) -> None:
    body = {"taskId": task, "prompt": prompt()}
    answer = await http.post("/api/action/streaming.streamChat", json=body)
    assert answer.status_code == 202, answer.text


async def _finished(http: httpx2.AsyncClient, task: str) -> None:
    async with asyncio.timeout(30):
        while True:
            answer = await http.post("/api/query/messages.byTask", json={"taskId": task})
            status = answer.json()["value"][-1]["status"]
            if status == "COMPLETED":
                return
            assert status == "STREAMING", answer.text
            await asyncio.sleep(0.05)


async def _followed(port: int, task: str) -> list[Subscriber]:
    """Subscribers of a task's messages."""
    queries = [{"id": "m", "function": "messages.byTask", "args": {"taskId": task}}]
    path = f"/api/sync?queries={quote(json.dumps(queries))}"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    streams = [Subscriber(request, sampled=True) for _ in range(SUBSCRIBERS)]
    loop = asyncio.get_running_loop()
    for one in streams:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)
    await asyncio.gather(*(one.opened for one in streams))
    return streams
