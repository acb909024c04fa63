"""The client for scripts; the server runs in the test's loop, the script in a thread."""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from server.client import Client as AsyncClient
from server.client import Forbidden, InvalidArguments, NotReached, limits
from server.client.sync import Client
from tests.client.fake_server import fake_server, refusal
from tests.headwater_command import program
from tests.mongod import unused_port
from tests.serving import Running
from tests.waiting import eventually


@pytest.fixture
def script(server: Running) -> Any:
    """Runs a function with a client, beside the server's loop."""

    async def run(body: Callable[[Client], Any]) -> Any:
        def whole() -> Any:
            with Client(server.url, headers={"X-User": "ada"}) as client:
                return body(client)

        async with asyncio.timeout(60):
            return await asyncio.to_thread(whole)

    return run


async def test_calls_wait_for_their_values(script: Any, topic: str) -> None:
    def body(client: Client) -> None:
        note = client.mutation("board.add", {"topic": topic}, idempotency_key=topic)
        assert client.mutation("board.add", {"topic": topic}, idempotency_key=topic) == note
        assert client.query("board.notes", {"topic": topic}) == [note]
        assert client.action("board.claimSlug", {"slug": topic}, wait=True) == "added"
        with pytest.raises(InvalidArguments):
            client.query("board.notes")

    await script(body)


async def test_live_values_come_from_a_plain_iterator(script: Any, topic: str) -> None:
    def body(client: Client) -> None:
        counts: list[int] = []
        for notes in client.subscribe("board.notes", {"topic": topic}):
            counts.append(len(notes))
            if len(counts) == 3:
                break
            client.mutation("board.add", {"topic": topic})
        assert counts == [0, 1, 2]
        changes = client.changes("board.notes", {"topic": topic})
        assert next(changes).patch is None
        client.mutation("board.add", {"topic": topic})
        assert [one["op"] for one in next(changes).patch or ()] == ["add"]
        queries = {"n": ("board.notes", {"topic": topic}), "r": ("board.room", {"name": topic})}
        for view in client.follow(queries):
            if view.values and view.errors:
                break
        assert len(view.values["n"]) == 3
        with pytest.raises(Forbidden):
            next(client.subscribe("board.room", {"name": topic}))

    await script(body)


async def test_an_iterator_that_is_left_closes_its_stream(
    script: Any, server: Running, topic: str
) -> None:
    hub = server.app._services.hub  # type: ignore[union-attr]
    left, go = threading.Event(), threading.Event()

    def body(client: Client) -> None:
        for _ in client.subscribe("board.notes", {"topic": topic}):
            break
        kept = client.subscribe("board.notes", {"topic": topic})
        next(kept)
        kept.close()
        left.set()
        go.wait()

    running = asyncio.create_task(script(body))
    await asyncio.to_thread(left.wait)
    await eventually(lambda: len(hub) == 0)
    go.set()
    await running


async def test_an_iterator_that_the_loops_thread_collects_closes_its_stream(
    script: Any, server: Running, topic: str
) -> None:
    hub = server.app._services.hub  # type: ignore[union-attr]
    left, go = threading.Event(), threading.Event()

    def body(client: Client) -> None:
        values = client.subscribe("board.notes", {"topic": topic})
        next(values)
        cycle: list[Any] = [values]
        cycle.append(cycle)
        del values, cycle

        async def collect() -> None:
            gc.collect()

        client._thread.run(collect())
        left.set()
        go.wait()

    running = asyncio.create_task(script(body))
    await asyncio.to_thread(left.wait)
    await eventually(lambda: len(hub) == 0)
    go.set()
    await running


async def test_closing_ends_what_other_threads_wait_for(server: Running, topic: str) -> None:
    client = Client(server.url)
    first = threading.Event()

    def read() -> int:
        count = 0
        for _ in client.subscribe("board.notes", {"topic": topic}):
            count += 1
            first.set()
        return count

    reading = asyncio.create_task(asyncio.to_thread(read))
    await asyncio.to_thread(first.wait)
    await asyncio.to_thread(client.close)
    assert await reading == 1
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.query("board.whoami")
    with pytest.raises(RuntimeError, match="closed"):
        next(client.subscribe("board.whoami"))


async def test_closing_ends_what_waits_to_be_tried_again() -> None:
    async with fake_server() as fake:
        client = Client(fake.url)
        fake.will(refusal(503, "unavailable", "after", retryAfterMs=limits.RETRY_AFTER_MS_MAX))
        calling = asyncio.create_task(asyncio.to_thread(client.query, "f.g"))
        await eventually(lambda: fake.requests)
        await asyncio.to_thread(client.close)
        with pytest.raises(RuntimeError, match="closed"):
            await calling


def test_no_server_is_an_error_of_the_first_value() -> None:
    with Client(f"http://127.0.0.1:{unused_port()}") as client:
        with pytest.raises(NotReached):
            next(client.subscribe("f.g", patience_seconds=0))
        assert repr(client) == f"<Client of {client.url}>"


async def test_both_clients_have_the_same_methods() -> None:
    def public(one: type) -> set[str]:
        return {name for name in vars(one) if not name.startswith("_")}

    assert public(AsyncClient) - {"aclose"} == public(Client) - {"close"}


SCRIPT = """
from server.client.sync import Client
with Client({url!r}) as client:
    try:
        for notes in client.subscribe("board.notes", {{"topic": {topic!r}}}):
            print("watching", flush=True)
    except KeyboardInterrupt:
        print("stopped", client.query("board.notes", {{"topic": {topic!r}}}), flush=True)
"""


async def test_an_interrupt_ends_the_waiting_and_leaves_the_client_usable(
    server: Running, topic: str
) -> None:
    hub = server.app._services.hub  # type: ignore[union-attr]
    async with program(sys.executable, "-c", SCRIPT.format(url=server.url, topic=topic)) as command:
        await command.line("watching")
        await eventually(lambda: len(hub) == 1)  # nobody follows who was of the test before
        command.process.send_signal(2)
        await command.line(r"stopped \[\]")
        assert await command.ended() == 0, command.said
        assert command.stderr == []
    await eventually(lambda: len(hub) == 0)
