"""The client against a real server."""

import asyncio
import random
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import pytest

from server.client import (
    Client,
    Conflict,
    Forbidden,
    HeadwaterError,
    Internal,
    InvalidArguments,
    NotFound,
    NotReached,
    Unauthenticated,
    UnknownFunction,
    limits,
)
from tests import board
from tests.client.fake_server import answer, fake_server, refusal
from tests.mongod import unused_port
from tests.proxy import proxy_to
from tests.serving import Running, serving
from tests.waiting import eventually

SECRET = "hush-0123456789-secret"


async def test_calls_of_each_kind_give_their_values(client: Client, topic: str) -> None:
    note = await client.mutation("board.add", {"topic": topic, "text": "Grüezi"})
    assert note["text"] == "Grüezi"
    assert await client.query("board.notes", {"topic": topic}) == [note]
    assert await client.query("board.whoami") == {"id": "ada", "notes": 0}
    assert await client.action("board.claimSlug", {"slug": topic}) == "added"


async def test_an_action_responds_or_is_waited_for(client: Client, topic: str) -> None:
    gate = board.gates[topic] = board.Gate()
    begun = await client.action("board.work", {"gate": topic})
    assert begun == {"phase": "begun", "start": 1}
    waiting = asyncio.create_task(client.action("board.work", {"gate": topic}, wait=True))
    await eventually(lambda: gate.starts == 2)
    gate.go.set()
    assert await waiting == {"phase": "ended", "start": 2}


@pytest.mark.parametrize(
    ("kind", "function", "args", "expected"),
    [
        ("query", "board.nope", {}, UnknownFunction),
        ("query", "board.add", {}, UnknownFunction),
        ("query", "../mutation/board.wipe", {}, NotFound),
        ("query", "board.notes", {}, InvalidArguments),
        ("query", "board.room", {"name": "x"}, Forbidden),
        ("mutation", "board.like", {"id": "none"}, NotFound),
        ("mutation", "board.addThenRaise", {"topic": "t", "fail": "bug"}, Internal),
        ("mutation", "board.addThenRaise", {"topic": "t", "fail": "paywall"}, HeadwaterError),
        ("action", "board.respondWithNonsense", {}, Internal),
    ],
)
async def test_errors_have_their_classes(
    client: Client, kind: str, function: str, args: Any, expected: type[HeadwaterError]
) -> None:
    with pytest.raises(HeadwaterError) as raised:
        await getattr(client, kind)(function, args)
    assert type(raised.value) is expected
    assert raised.value.status >= 400


async def test_a_conflict_says_what_with(client: Client, topic: str) -> None:
    await client.mutation("board.add", {"topic": topic, "slug": topic})
    with pytest.raises(Conflict) as raised:
        await client.mutation("board.add", {"topic": topic, "slug": topic})
    assert raised.value.code == "conflict"


async def test_one_key_is_applied_once_and_the_next_call_again(client: Client, topic: str) -> None:
    args = {"topic": topic}
    once = await client.mutation("board.add", args, idempotency_key=topic)
    assert await client.mutation("board.add", args, idempotency_key=topic) == once
    await client.mutation("board.add", args)
    await client.mutation("board.add", args)
    assert len(await client.query("board.notes", args)) == 3
    with pytest.raises(Conflict) as raised:
        await client.mutation("board.add", {"topic": "other"}, idempotency_key=topic)
    assert raised.value.code == "idempotency_key_reused"


async def test_a_live_value_contains_what_the_client_has_just_written(
    client: Client, topic: str
) -> None:
    values = client.subscribe("board.notes", {"topic": topic})
    async with asyncio.timeout(60), aclosing(values):
        assert await anext(values) == []
        written: list[Any] = []
        for number in range(5):
            written.append(
                await client.mutation("board.add", {"topic": topic, "text": f"{number}"})
            )
            while await anext(values) != written:
                pass


async def test_a_clients_streams_pass_its_mutations_also_where_nothing_of_theirs_changed(
    client: Client, server: Running, topic: str
) -> None:
    """The server knows by the client's name that they belong together."""
    hub = server.app._services.hub  # type: ignore[union-attr]
    values = client.subscribe("board.notes", {"topic": topic})
    async with aclosing(values):
        await anext(values)
        assert [one.client for one in hub._pushes] == [client.client_id]
        (stream,) = hub._pushes
        before = stream.position
        await client.mutation("board.add", {"topic": "elsewhere"})
        await eventually(lambda: stream.position > before)


async def test_what_did_not_change_is_the_same_object(client: Client, topic: str) -> None:
    first, second = [
        (await client.mutation("board.add", {"topic": topic}))["_id"] for _ in range(2)
    ]
    changes = client.changes("board.notes", {"topic": topic})
    async with asyncio.timeout(60), aclosing(changes):
        before = await anext(changes)
        await client.mutation("board.like", {"id": second})
        after = await anext(changes)
    assert [one["_id"] for one in after.value] == [first, second]
    assert after.value[0] is before.value[0]
    assert after.value[1]["likes"] == 1
    assert before.value[1]["likes"] == 0
    assert {operation["path"] for operation in after.patch or ()} == {"/1/likes", "/1/updatedAt"}


async def test_several_queries_on_one_stream_see_a_transaction_whole(
    client: Client, server: Running, topic: str
) -> None:
    queries = {
        "all": ("board.notes", {"topic": topic}),
        "panel": ("board.panel", {"topic": topic}),
        "room": ("board.room", {"name": topic}),
    }
    hub = server.app._services.hub  # type: ignore[union-attr]
    views = client.follow(queries)
    async with asyncio.timeout(60), aclosing(views):
        counts: list[tuple[int, int]] = []
        async for view in views:
            if {"all", "panel"} <= view.values.keys() and "room" in view.errors:
                counts.append((len(view.values["all"]), len(view.values["panel"]["mine"])))
                if counts[-1] == (6, 6):
                    break
                if len(counts) == 1:
                    assert len(hub) == 1
                    for _ in range(2):
                        await client.mutation("board.addAll", {"topic": topic, "count": 3})
    assert all(one == other and one % 3 == 0 for one, other in counts), counts
    assert isinstance(view.errors["room"], Forbidden)


async def test_permission_that_is_lost_ends_a_subscription_and_regained_allows_another(
    client: Client, topic: str
) -> None:
    async def watch() -> list[Any]:
        values = client.subscribe("board.room", {"name": topic})
        async with aclosing(values):
            first = await anext(values)
            await client.mutation("board.leave")
            with pytest.raises(Forbidden) as raised:
                await anext(values)
            assert raised.value.details == {"room": topic}
        return first

    async with asyncio.timeout(60):
        for _ in range(2):
            await client.mutation("board.join", {"room": topic})
            assert await watch() == []


async def test_leaving_the_loop_closes_the_stream(
    client: Client, server: Running, topic: str
) -> None:
    hub = server.app._services.hub  # type: ignore[union-attr]
    async for _ in client.subscribe("board.notes", {"topic": topic}):
        assert len(hub) == 1
        break
    await eventually(lambda: len(hub) == 0)


async def test_cancelling_the_reader_closes_the_stream(
    client: Client, server: Running, topic: str
) -> None:
    hub = server.app._services.hub  # type: ignore[union-attr]
    started = asyncio.Event()

    async def read() -> None:
        async for _ in client.subscribe("board.notes", {"topic": topic}):
            started.set()

    reading = asyncio.create_task(read())
    await started.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await eventually(lambda: len(hub) == 0)


@pytest.mark.parametrize("wrong", [{"name": {1, 2}}, {"name": object()}])
async def test_arguments_that_are_no_json_are_not_sent(client: Client, wrong: Any) -> None:
    with pytest.raises(TypeError):
        await client.query("board.room", wrong)
    with pytest.raises(TypeError):
        await anext(client.subscribe("board.room", wrong))


# --- who asks -------------------------------------------------------------------------------------


async def test_headers_cookies_and_bearers_say_who_asks(server: Running) -> None:
    async def token() -> dict[str, str]:
        await asyncio.sleep(0)
        return {"X-User": "dan"}

    for user, given in {
        "ada": {"headers": {"X-User": "ada"}},
        "bob": {"cookies": {"user": "bob"}},
        "cleo": {"bearer": "cleo"},
        "dan": {"headers": token},
        "eve": {"headers": lambda: {"Authorization": "Bearer eve"}},
    }.items():
        async with Client(server.url, **given) as client:
            assert (await client.query("board.whoami"))["id"] == user
            values = client.subscribe("board.whoami")
            async with aclosing(values):
                assert (await anext(values))["id"] == user


async def test_headers_are_asked_for_with_each_request(server: Running) -> None:
    users = iter(["ada", "bob"])
    async with Client(server.url, headers=lambda: {"X-User": next(users)}) as client:
        assert (await client.query("board.whoami"))["id"] == "ada"
        assert (await client.query("board.whoami"))["id"] == "bob"


async def test_what_is_secret_shows_nowhere() -> None:
    nowhere = f"http://user:{SECRET}@127.0.0.1:{unused_port()}/app/"
    async with Client(nowhere, cookies={"user": SECRET}, bearer=SECRET) as client:
        with pytest.raises(NotReached) as raised:
            await client._calls._attempt("/api/query/f.g", b"{}", {}, 60)
        assert client.url.startswith("http://127.0.0.1:")
        shown = [repr(client), str(client), client.url, repr(raised.value), str(raised.value)]
        assert not any(SECRET in one for one in shown), shown
        assert raised.value.__suppress_context__
    async with Client(nowhere, headers={"X-Token": f"{SECRET}\n"}) as client:
        with pytest.raises(ValueError, match="'X-Token'") as refused:
            await client.query("f.g")
        assert SECRET not in str(refused.value)


async def test_a_redirect_takes_no_header_elsewhere() -> None:
    async with fake_server() as elsewhere, fake_server() as fake:
        fake.will(answer(307, b"", f"Location: {elsewhere.url}/"))
        async with Client(fake.url, bearer=SECRET) as client:
            with pytest.raises(HeadwaterError, match="status 307"):
                await client._calls._attempt("/api/query/f.g", b"{}", {}, 60)
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "url", ["", "nowhere", "ftp://x", "http://", "http://[::1", "http://x:99999", "http://x/?a=1"]
)
def test_what_is_no_address_is_said_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address is such as"):
        Client(url)


# --- when the network or the server fails ---------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RETRY_MS_MIN", 2)
    monkeypatch.setattr(limits, "RETRY_MS_MAX", 4)


@pytest.mark.usefixtures("impatient")
async def test_a_call_is_tried_again_with_the_same_key() -> None:
    async with fake_server() as fake, Client(fake.url) as client:
        fake.will()
        fake.will(answer(502, b"<html>"))
        fake.will(refusal(503, "unavailable", "after", retryAfterMs=3))
        fake.will(refusal(409, "idempotency_key_in_use", "after"))
        fake.will(answer(200, {"value": 7, "position": "1.1~b"}))
        assert await client.mutation("f.g", {"x": 1}) == 7
        assert len({one.headers["idempotency-key"] for one in fake.requests}) == 1
        assert {one.headers["headwater-client"] for one in fake.requests} == {client.client_id}
        assert [one.body for one in fake.requests] == [{"x": 1}] * 5
        for _ in range(limits.CALL_ATTEMPTS_MAX):
            fake.will(refusal(503, "unavailable", "after"))
        with pytest.raises(HeadwaterError, match="unavailable"):
            await client.query("f.g")
        assert len(fake.requests) == 5 + limits.CALL_ATTEMPTS_MAX
        assert "idempotency-key" not in fake.requests[-1].headers


@pytest.mark.usefixtures("impatient")
async def test_a_call_is_not_tried_again_where_that_is_no_use() -> None:
    async with fake_server() as fake, Client(fake.url) as client:
        for reply in (
            refusal(409, "conflict"),
            refusal(400, "position_ahead", "resync"),
            refusal(429, "too_many", "after", retryAfterMs=limits.RETRY_AFTER_MS_MAX + 1),
        ):
            fake.will(reply)
            with pytest.raises(HeadwaterError):
                await client.mutation("f.g")
        assert len(fake.requests) == 3


@pytest.mark.usefixtures("impatient")
async def test_an_answer_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CALL_SECONDS_MAX", 0.1)
    monkeypatch.setattr(limits, "CALL_ATTEMPTS_MAX", 100)
    async with fake_server() as fake, Client(fake.url) as client:
        fake.will(None)
        fake.will_always(answer(200, {"value": 1, "position": "1.1~b"}))
        assert await client.query("f.g") == 1
        assert len(fake.requests) > 1


@pytest.mark.usefixtures("impatient")
async def test_an_answer_that_does_not_end_or_is_none_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ANSWER_BYTES_MAX", 1_000)
    async with fake_server() as fake, Client(fake.url) as client:
        fake.will(answer(200, b"x" * 2_000))
        with pytest.raises(HeadwaterError, match="more than 1000 bytes"):
            await client.query("f.g")
        for body in (b"hello", [], {}, {"value": 1}, {"value": 1, "position": "1" * 100}):
            fake.will_always(answer(200, body))
            with pytest.raises(HeadwaterError, match="not in Headwater's form"):
                await client.query("f.g")


@pytest.mark.usefixtures("impatient")
async def test_a_mutation_whose_answer_is_cut_off_is_applied_once(
    server: Running, topic: str
) -> None:
    port = urlsplit(server.url).port
    assert port is not None
    gate = board.gates[topic] = board.Gate()
    async with (
        proxy_to(port, random.Random(1)) as proxy,
        Client(proxy.url, headers={"X-User": "ada"}) as client,
    ):
        note = await client.mutation("board.add", {"topic": topic})
        bumping = asyncio.create_task(
            client.mutation("board.bump", {"id": note["_id"], "gate": topic})
        )
        await gate.reached.wait()
        while proxy.cut_one():
            pass
        gate.go.set()
        assert await bumping == 1
    assert (await server.http.post("/api/query/board.note", json={"id": note["_id"]})).json()[
        "value"
    ]["likes"] == 1


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_is_replaced_is_found_again(database_uri: str) -> None:
    port = unused_port()
    async with Client(f"http://127.0.0.1:{port}") as client, asyncio.timeout(60):
        values = client.subscribe("board.notes", {"topic": "t"}, patience_seconds=None)
        async with aclosing(values):
            async with serving(database_uri, board.HERE, port=port):
                assert await anext(values) == []
                one = await client.mutation("board.add", {"topic": "t"})
                assert await anext(values) == [one]
            with pytest.raises(NotReached):
                await client.query("board.notes", {"topic": "t"})
            async with serving(database_uri, board.HERE, port=port):
                two = await client.mutation("board.add", {"topic": "t"})
                assert await anext(values) == [one, two]


async def test_nobody_is_told_that_they_are_nobody(database_uri: str) -> None:
    async with (
        serving(database_uri, board.HERE, authenticate=lambda _: None) as server,
        Client(server.url) as client,
    ):
        with pytest.raises(Unauthenticated):
            await client.query("board.whoami")
        with pytest.raises(Unauthenticated):
            await anext(client.subscribe("board.whoami", patience_seconds=None))
