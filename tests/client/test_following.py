"""What becomes of a subscription whose server says what it should not, or nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from server.client import (
    BadAnswer,
    Change,
    Client,
    Forbidden,
    HeadwaterError,
    NotReached,
    RateLimited,
    limits,
)
from server.core import event_stream
from tests.client.fake_server import OPENING, FakeServer, answer, event, fake_server, refusal
from tests.mongod import unused_port


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RETRY_MS_MIN", 2)
    monkeypatch.setattr(limits, "RETRY_MS_MAX", 4)


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    async with fake_server() as server:
        yield server


@pytest.fixture
async def client(fake: FakeServer) -> AsyncIterator[Client]:
    async with Client(fake.url) as one:
        yield one


def snapshot(position: str, value: Any, **more: Any) -> bytes:
    return event(position, {"only": {"snapshot": value}}, **more)


def patch(position: str, *operations: Any, **more: Any) -> bytes:
    return event(position, {"only": {"patch": list(operations)}}, **more)


def push(value: Any) -> dict[str, Any]:
    return {"op": "add", "path": "/-", "value": value}


async def taken(changes: AsyncGenerator[Any], count: int) -> list[Any]:
    """The first `count`."""
    async with aclosing(changes):
        return [await anext(changes) for _ in range(count)]


async def until(values: AsyncGenerator[Any], last: Any) -> AsyncGenerator[Any]:
    """The values up to `last`, of which the reader may miss any but that."""
    async for value in values:
        yield value
        if value == last:
            return


async def raised(changes: AsyncGenerator[Any]) -> HeadwaterError:
    """What it ends with."""
    with pytest.raises(HeadwaterError) as found:
        async for _ in changes:
            pass
    return found.value


async def test_it_continues_from_where_it_was(fake: FakeServer, client: Client) -> None:
    fake.will(OPENING, snapshot("5.1~b", ["a"], **{"from": None}))
    fake.will(OPENING, patch("6.1~b", push("b"), **{"from": "5.1~b"}), None)
    first, second = await taken(client.changes("f.g", {"x": 1}), 2)
    assert first == Change(["a"], None, "5.1~b")
    assert second == Change(["a", "b"], [push("b")], "6.1~b")
    query = {"id": "only", "function": "f.g", "args": {"x": 1}}
    assert [one.body["queries"] for one in fake.requests] == [[query], [query | {"from": "5.1~b"}]]
    assert {one.body["client"] for one in fake.requests} == {client.client_id}
    assert "last-event-id" not in fake.requests[1].headers


async def test_a_position_that_ends_in_a_dash_is_handed_back_as_it_is(
    fake: FakeServer, client: Client
) -> None:
    fake.will(OPENING, snapshot("5.1~b-", 1, **{"from": None}))
    fake.will(OPENING, snapshot("6.1~b", 2, **{"from": "5.1~b-"}), None)
    assert [one.patch for one in await taken(client.changes("f.g"), 2)] == [None, None]
    assert fake.requests[1].body["queries"][0]["from"] == "5.1~b-"


async def test_each_query_continues_from_where_its_value_was_true(
    fake: FakeServer, client: Client
) -> None:
    behind = {"a": {"snapshot": 1}, "b": {"snapshot": 2, "at": "4.1~b"}, "c": {"error": {}}}
    fake.will(OPENING, event("5.1~b-", behind, **{"from": None}))
    fake.will(OPENING, event("6.1~b", {"c": {"snapshot": 3}}, **{"from": "5.1~b-"}), None)
    views = client.follow({name: ("f.g", {}) for name in "abc"})
    first, second = await taken(views, 2)
    assert (first.values, list(first.errors)) == ({"a": 1, "b": 2}, ["c"])
    assert (second.values, second.errors) == ({"a": 1, "b": 2, "c": 3}, {})
    assert [one.get("from") for one in fake.requests[1].body["queries"]] == [
        "5.1~b-",
        "4.1~b",
        None,
    ]


async def test_what_was_behind_is_true_at_the_first_position_that_has_nothing_behind(
    fake: FakeServer, client: Client
) -> None:
    behind = {"a": {"snapshot": 1}, "b": {"snapshot": 2, "at": "4.1~b"}}
    fake.will(
        OPENING, event("5.1~b-", behind, **{"from": None}), event("6.1~b", {"a": {"snapshot": 3}})
    )
    fake.will(OPENING, event("7.1~b", {"a": {"snapshot": 4}}, **{"from": "6.1~b"}), None)
    async for view in client.follow({name: ("f.g", {}) for name in "ab"}):
        if view.values["a"] == 4:
            break
    assert [one.get("from") for one in fake.requests[1].body["queries"]] == ["6.1~b"] * 2


async def test_the_same_value_again_is_not_told_and_what_is_equal_is_shared(
    fake: FakeServer, client: Client
) -> None:
    fake.will(OPENING, snapshot("5.1~b", [{"_id": "a"}], **{"from": None}))
    fake.will(OPENING, snapshot("6.1~c", [{"_id": "a"}], **{"from": None}))
    fake.will(OPENING, snapshot("7.1~d", [{"_id": "z"}, {"_id": "a"}], **{"from": None}), None)
    first, second = await taken(client.changes("f.g"), 2)
    assert second.position == "7.1~d"
    assert second.value[1] is first.value[0]
    assert second.patch is None


async def test_a_slow_reader_is_told_merged_changes(fake: FakeServer, client: Client) -> None:
    fake.will(OPENING, snapshot("5.1~b", [], **{"from": None}), None)
    changes = client.changes("f.g")
    async with aclosing(changes):
        assert (await anext(changes)).value == []
    many = b"".join(patch(f"6.{number}~b", push(number)) for number in range(10))
    fake.will(OPENING, snapshot("5.1~b", [], **{"from": None}) + many, None)
    fake.will(OPENING, snapshot("5.1~b", [], **{"from": None}) + many, None)
    (value,) = await taken(client.subscribe("f.g"), 1)
    assert value == list(range(10))
    (change,) = await taken(client.changes("f.g"), 1)
    assert change == Change(list(range(10)), None, "6.9~b")


RUBBISH = [
    b"data: {}\n\n",
    b"id: 6.1~b\ndata: not json\n\n",
    b'id: 6.1~b\ndata: {"queries": []}\n\n',
    b'id: 6.1~b\ndata: {"queries": {"only": {}}}\n\n',
    b'id: 6.1~b\ndata: {"queries": {"only": 7}}\n\n',
    b'id: 6.1~b\ndata: {"queries": {"other": {"patch": []}}}\n\n',
    b'id: 6.1~b\ndata: {"queries": {"only": {"snapshot": 1, "at": 7}}}\n\n',
    b'data: {"queries": {}}\nid:\n\n',
    b'id: \xff\xfe\ndata: {"queries": {}}\n\n',
    b"id: " + b"9" * 1000 + b'\ndata: {"queries": {}}\n\n',
    b"id: 6.1~b\ndata: \xff\xfe\n\n",
    b"id: 6.1~b\ndata: " + b"[" * 100_000 + b"\n\n",
    patch("6.1~b", {"op": "remove", "path": "/7"}),
    patch("6.1~b", {"op": "explode", "path": "/0"}),
]


@pytest.mark.parametrize("rubbish", RUBBISH)
async def test_after_rubbish_it_starts_anew_from_what_it_shows(
    fake: FakeServer, client: Client, rubbish: bytes
) -> None:
    fake.will(OPENING, snapshot("5.1~b", ["a"], **{"from": None}), rubbish, None)
    fake.will(OPENING, snapshot("7.1~b", ["a", "b"], **{"from": None}), None)
    told: list[HeadwaterError | None] = []
    first, second = await taken(client.changes("f.g", on_interruption=told.append), 2)
    assert (first.value, second.value, second.patch) == (["a"], ["a", "b"], None)
    assert "from" not in fake.requests[1].body["queries"][0]
    why, over = told
    assert isinstance(why, BadAnswer)
    assert over is None


async def test_a_stream_that_continues_what_is_not_held_is_left(
    fake: FakeServer, client: Client
) -> None:
    fake.will(OPENING, snapshot("5.1~b", ["a"], **{"from": None}))
    fake.will(OPENING, patch("9.1~b", push("x"), **{"from": "8.1~b"}), None)
    fake.will(OPENING, snapshot("9.1~b", ["a", "z"], **{"from": None}), None)
    changes = await taken(client.changes("f.g"), 2)
    assert [one.value for one in changes] == [["a"], ["a", "z"]]


async def test_a_patch_where_nothing_is_continued_fits_nothing(
    fake: FakeServer, client: Client
) -> None:
    fake.will(OPENING, snapshot("5.1~b", ["a"], **{"from": None}))
    fake.will(OPENING, patch("9.1~b", push("x"), **{"from": None}), None)
    fake.will(OPENING, snapshot("9.1~b", ["y"], **{"from": None}), None)
    changes = await taken(client.changes("f.g"), 2)
    assert [one.value for one in changes] == [["a"], ["y"]]


BROKEN = [
    [],
    [b"SSH-2.0-OpenSSH_9.2\r\n"],
    [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\n:\n\n"],
    [b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000],
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    [answer(200, b"<html>hello</html>", "Content-Type: text/html")],
    [answer(302, b"", "Location: http://127.0.0.1:1/")],
    [answer(502, b"<html>bad gateway</html>")],
    [answer(404, {"error": "nothing here"})],
    [OPENING, b"id: 1.1~b\nda"],
    [OPENING, b"event: other\ndata: 1\n\n: hm\n\nretry: 1\n\nnonsense\n\n"],
]


@pytest.mark.parametrize("broken", BROKEN)
async def test_whatever_is_no_stream_is_tried_again(
    fake: FakeServer, client: Client, broken: list[bytes]
) -> None:
    fake.will(*broken)
    fake.will(*broken)
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}), None)
    assert await taken(client.subscribe("f.g"), 1) == [1]
    fake.will(*broken)
    error = await raised(client.subscribe("f.g", patience_seconds=0))
    assert isinstance(error, NotReached | BadAnswer)


@pytest.mark.parametrize(
    "line", [b"data: " + b"x" * 5_000, b"data: x\n" * 1_000, b"data\n" * 2_000]
)
async def test_an_event_that_does_not_end_is_an_error(
    fake: FakeServer, client: Client, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "EVENT_BYTES_MAX", 4_000)
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}), line, None)
    error = await raised(client.subscribe("f.g"))
    assert isinstance(error, BadAnswer)
    assert "more than 4000 bytes" in str(error)


async def test_silence_is_noticed_and_comments_are_silence(
    fake: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SILENCE_SECONDS_MAX", 0.1)
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}), None)
    fake.will(None)
    fake.will(OPENING, b":\n\n" * 50, None)
    fake.will_always(OPENING, snapshot("6.1~b", 2, **{"from": None}), None)
    told: list[Any] = []
    values = client.subscribe("f.g", patience_seconds=None, on_interruption=told.append)
    async with aclosing(values):
        assert [value async for value in until(values, 2)][-1] == 2
    assert len(fake.requests) >= 4, "none of the three before was kept"
    assert told[-1] is None
    assert all("silent" in str(one) for one in told[:-1])


async def test_what_is_refused_for_good_is_raised_at_once(fake: FakeServer, client: Client) -> None:
    fake.will(refusal(403, "forbidden"))
    error = await raised(client.subscribe("f.g", patience_seconds=None))
    assert isinstance(error, Forbidden)
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}))
    fake.will(refusal(403, "forbidden"))
    values = client.subscribe("f.g")
    assert await anext(values) == 1
    with pytest.raises(Forbidden):
        await anext(values)


async def test_a_refusal_of_the_position_starts_anew(fake: FakeServer, client: Client) -> None:
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}))
    fake.will(refusal(400, "position_ahead", "resync"))
    fake.will(OPENING, snapshot("4.1~b", 2, **{"from": None}), None)
    assert await taken(client.subscribe("f.g"), 2) == [1, 2]
    assert "from" not in fake.requests[2].body["queries"][0]


async def test_a_stream_is_to_begin_after_what_was_written_unless_that_is_refused(
    fake: FakeServer, client: Client
) -> None:
    fake.will(answer(200, {"value": 1, "position": "4.1~b"}))
    fake.will(answer(202, {"value": 1, "position": "5.1~b"}))
    fake.will(answer(200, {"value": 1, "position": "6.1~b"}))
    for kind in (client.mutation, client.action, client.query):
        await kind("f.g")
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}))
    fake.will(refusal(400, "position_ahead", "resync"))
    fake.will(OPENING, snapshot("3.1~b", 2, **{"from": None}), None)
    assert await taken(client.subscribe("f.g"), 2) == [1, 2]
    assert [one.body.get("after") for one in fake.requests[3:]] == ["5.1~b", "5.1~b", None]


async def test_who_is_not_patient_is_told_why(fake: FakeServer) -> None:
    async with Client(f"http://127.0.0.1:{unused_port()}") as nobody:
        error = await raised(nobody.subscribe("f.g", patience_seconds=0.02))
    assert isinstance(error, NotReached)
    assert str(error) == f"The server at {nobody.url} gave no answer (ConnectError)."


def failing(code: str, retry: str, **more: Any) -> dict[str, Any]:
    return {"only": {"error": {"code": code, "message": "No.", "retry": retry, **more}}}


async def test_a_query_that_fails_for_a_while_is_waited_for(
    fake: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SILENCE_SECONDS_MAX", 1_000)  # it is not that which ends a stream
    full = failing("too_many", "after", retryAfterMs=1)
    fake.will(OPENING, event("5.1~b", full, **{"from": None}), None)
    fake.will(OPENING, event("5.1~b", full, **{"from": None}), None)
    fake.will(OPENING, snapshot("6.1~b", 1, **{"from": None}), None)
    told: list[Any] = []
    async with asyncio.timeout(60):
        assert await taken(client.subscribe("f.g", on_interruption=told.append), 1) == [1]
    assert [type(one) for one in told] == [RateLimited, RateLimited, type(None)]


async def test_a_query_that_recovers_by_itself_keeps_its_stream(
    fake: FakeServer, client: Client
) -> None:
    full = event("6.1~b", failing("too_many", "after", retryAfterMs=30_000))
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}), full, snapshot("7.1~b", 2), None)
    values = client.subscribe("f.g")
    async with aclosing(values):
        assert [value async for value in until(values, 2)][-1] == 2
    assert len(fake.requests) == 1


async def test_a_query_that_fails_for_too_long_is_raised(fake: FakeServer, client: Client) -> None:
    full = failing("too_many", "after", retryAfterMs=1)
    fake.will(OPENING, event("5.1~b", full, **{"from": None}), None)
    error = await raised(client.subscribe("f.g", patience_seconds=0))
    assert isinstance(error, RateLimited)


async def test_a_query_that_fails_for_good_is_raised_after_its_last_value(
    fake: FakeServer, client: Client
) -> None:
    gone = event("6.1~b", failing("forbidden", "never"))
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}), gone, None)
    error = await raised(client.subscribe("f.g"))
    assert isinstance(error, Forbidden)
    assert error.status == 0


async def test_closing_the_client_ends_its_subscriptions(fake: FakeServer) -> None:
    client = Client(fake.url)
    fake.will(OPENING, snapshot("5.1~b", 1, **{"from": None}), None)
    values: list[Any] = []
    async for value in client.subscribe("f.g"):
        values.append(value)
        await client.aclose()
    assert values == [1]


async def test_a_callback_that_fails_fails_the_subscription(
    fake: FakeServer, client: Client
) -> None:
    def broken(_: object) -> None:
        raise BrokenPipeError("the reader's own")

    fake.will(answer(502, b""))
    with pytest.raises(BrokenPipeError):
        await taken(client.subscribe("f.g", on_interruption=broken), 1)
