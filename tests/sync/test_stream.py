"""One stream's state, with live queries that are moved by hand."""

import time
from typing import Any, cast

import orjson
import pytest

from schemas.wire.patch import Operation
from schemas.wire.position import Position, Time
from server.core import limits
from server.core.errors import Forbidden, TooMany
from server.live.live_query import LiveQuery, Outcome
from server.live.registry import Registry
from server.sync.frames import sync_frame
from server.sync.stream import Subscribed, SyncStream


class Fake:
    """A registry that is where it is put, and a waker that does nothing."""

    def __init__(self) -> None:
        self.position = Time(10, 0)
        self.later: list[float] = []

    def unsubscribe(self, query: LiveQuery, watcher: Any) -> None:
        query.watchers.discard(watcher)

    def wake(self, stream: SyncStream) -> None:
        pass

    def wake_later(self, stream: SyncStream, seconds: float) -> None:
        self.later.append(seconds)


async def nothing(_: Any) -> None:
    return None


def query(name: str, value: Any, at: int = 10) -> LiveQuery:
    made = LiveQuery(name, name, nothing, 0.0)
    made.install(Outcome(value=value), Time(at, 0), None, 0.0)
    return made


def stream_of(fake: Fake, *queries: LiveQuery, strict: bool = False) -> SyncStream:
    stream = SyncStream(cast("Registry", fake), "b", fake, None, strict)
    for one in queries:
        one.watchers.add(stream)
        stream.add(Subscribed(one.name, one, None))
    return stream


def told(stream: SyncStream) -> tuple[str, dict[str, Any]] | None:
    """What the stream says next: its position, and the queries."""
    transition = stream.next()
    if transition is None:
        return None
    data = sync_frame(transition, False).split(b"data: ", 1)[1]
    return str(transition.position), orjson.loads(data)["queries"]


def append(text: str) -> list[Operation]:
    return [{"op": "append", "path": "", "value": text}]


def test_nothing_is_told_twice() -> None:
    fake, one = Fake(), query("one", "a")
    stream = stream_of(fake, one)
    assert told(stream) == ("10.0~b", {"one": {"snapshot": "a"}})
    assert told(stream) is None
    fake.position = Time(11, 0)
    one.step(Time(11, 0), append("b"))
    assert told(stream) == ("11.0~b", {"one": {"patch": append("b")}})
    assert told(stream) is None


def test_a_query_that_found_room_before_its_refusal_was_told_is_told_once() -> None:
    fake, one = Fake(), query("one", "a")
    stream = stream_of(fake)
    stream.fail("one", TooMany("Full."))
    stream.fail("two", TooMany("Full."))
    stream.add(Subscribed("one", one, None))
    transition = stream.next()
    assert transition is not None
    assert sorted(change.id for change in transition.changes) == ["one", "two"]
    assert next(c.body for c in transition.changes if c.id == "one") == b'"snapshot":"a"'


def test_a_strict_stream_comes_as_far_as_its_stale_query_is_true() -> None:
    fake, one, two = Fake(), query("one", "a"), query("two", 1)
    stream = stream_of(fake, one, two, strict=True)
    assert told(stream) is not None
    one.step(Time(11, 0), append("b"))
    two.stale(Time(12, 0), 1e12)
    one.step(Time(13, 0), append("c"))
    fake.position = Time(13, 0)
    assert told(stream) == (f"11.{0xFFFFFFFF}~b", {"one": {"patch": append("b")}})
    assert told(stream) is None
    two.install(Outcome(value=2), Time(13, 0), None, 0.0)
    position, queries = told(stream) or ("", {})
    assert position == "13.0~b"
    assert queries["one"] == {"patch": append("c")}
    assert queries["two"] == {"patch": [{"op": "replace", "path": "", "value": 2}]} or queries[
        "two"
    ] == {"snapshot": 2}


def test_only_a_strict_stream_waits_for_a_query_whose_last_run_outlasted_the_grace() -> None:
    for strict in (False, True):
        fake, one, two = Fake(), query("one", "a"), query("two", 1)
        stream = stream_of(fake, one, two, strict=strict)
        assert told(stream) is not None
        one.step(Time(11, 0), append("b"))
        two.stale(Time(11, 0), 1e12)
        fake.position = Time(11, 0)
        assert told(stream) is None, "within its grace it may yet be done"
        two.run_seconds = limits.GRACE_SECONDS * 2
        said = told(stream)
        assert said == (None if strict else ("11.0~b-", {"one": {"patch": append("b")}}))


def test_a_patch_that_is_due_is_sent_even_where_a_snapshot_is_smaller() -> None:
    fake, one, two = Fake(), query("one", "a"), query("two", 1)
    stream = stream_of(fake, one, two, strict=True)
    assert told(stream) is not None
    long = "x" * (limits.LOG_BYTES_MIN - 100)
    one.step(Time(11, 0), [*append(long), {"op": "replace", "path": "", "value": long}])
    two.stale(Time(12, 0), 1e12)
    one.step(Time(13, 0), append("later"))
    fake.position = Time(13, 0)
    said = told(stream)
    assert said is None or "later" not in str(said), "a value from ahead of the position"


def test_a_heartbeat_while_held_back_tells_nothing_from_ahead() -> None:
    fake, one, two = Fake(), query("one", "a"), query("two", 1)
    stream = stream_of(fake, one, two, strict=True)
    assert told(stream) is not None
    two.stale(Time(11, 0), 1e12)
    one.install(Outcome(value={"new": 1}), Time(12, 0), None, 0.0)
    fake.position = Time(12, 0)
    assert told(stream) is None or told(stream) is None
    stream.beat()
    position, queries = told(stream) or ("", {"missing": 1})
    assert queries == {}
    assert Position.parse(position).time < Time(12, 0)
    assert told(stream) is None


def test_nothing_is_told_before_the_feed_has_come_where_the_client_was() -> None:
    fake, one = Fake(), query("one", "a")
    stream = stream_of(fake, one)
    stream.floor = Time(20, 0)
    assert told(stream) is None
    assert fake.later, "it asks again by itself"
    fake.position = Time(20, 0)
    assert told(stream) == ("20.0~b", {"one": {"snapshot": "a"}})


def test_a_client_that_was_told_of_something_behind_takes_a_snapshot_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake, one = Fake(), query("one", 1)
    one.reads = [cast("Any", object())]  # it is run, not maintained
    for settled, snapshot in ((True, False), (False, True)):
        stream = SyncStream(cast("Registry", fake), "b", fake, None, strict=False)
        one.watchers.add(stream)
        stream.add(Subscribed("one", one, Position(Time(10, 0), "b", settled)))
        assert (told(stream) == ("10.0~b", {"one": {"snapshot": 1}})) is snapshot


def test_after_a_mutation_its_client_is_told_what_is_behind_and_when_it_no_longer_is() -> None:
    fake, one = Fake(), query("one", 1)
    stream = stream_of(fake, one)
    assert told(stream) is not None
    one.run_seconds = 1.0
    one.stale(Time(11, 0), 0.0)
    fake.position = Time(11, 0)
    assert told(stream) is None, "nobody wants to know"
    fake.position = Time(12, 0)
    stream.want_progress(Time(12, 0))
    behind = {"patch": [], "at": f"10.{0xFFFFFFFF}~b"}
    assert told(stream) == ("12.0~b-", {"one": behind})
    assert told(stream) is None
    one.install(Outcome(value=1), Time(12, 0), None, 0.0)
    assert told(stream) == ("12.0~b", {"one": {"patch": []}})
    one.stale(Time(13, 0), 0.0)
    fake.position = Time(13, 0)
    assert told(stream) is None


def test_a_client_that_was_moved_less_far_meanwhile_is_told_what_is_behind_all_the_same() -> None:
    """In its grace the stream went to just before the mutation, and forgot who had written."""
    fake, one, two = Fake(), query("one", 1), query("two", 2)
    stream = stream_of(fake, one, two)
    assert told(stream) is not None
    now = time.monotonic()
    fake.position = Time(12, 0)
    one.stale(Time(12, 0), now + 3600.0)
    two.step(Time(12, 0), [{"op": "replace", "path": "", "value": 3}], Time(12, 0))
    stream.want_progress(Time(12, 0))
    before = f"11.{0xFFFFFFFF}~b"
    assert told(stream) in (None, (before, {}))
    one.stale_since = now - 3600.0
    position, changes = told(stream) or ("", {})
    assert position == "12.0~b-"
    assert changes["one"] == {"patch": [], "at": before}
    assert "two" in changes


def test_what_failed_is_not_told_to_be_behind() -> None:
    fake, one = Fake(), query("one", 1)
    stream = stream_of(fake, one)
    one.install(Outcome(error=Forbidden("No.")), Time(10, 0), None, 0.0)
    assert "error" in str(told(stream))
    one.run_seconds = 1.0
    one.stale(Time(11, 0), 0.0)
    fake.position = Time(12, 0)
    stream.want_progress(Time(12, 0))
    assert told(stream) == ("12.0~b-", {})


def test_a_client_that_continues_is_told_what_is_behind_already() -> None:
    fake, one = Fake(), query("one", 1)
    one.stale(Time(11, 0), 0.0)
    one.stale_since = 0.0
    fake.position = Time(12, 0)
    stream = SyncStream(cast("Registry", fake), "b", fake, None, strict=False)
    stream.opened_at = 0.0
    stream.add(Subscribed("one", one, Position(Time(10, 0), "b")))
    behind = {"patch": [], "at": f"10.{0xFFFFFFFF}~b"}
    assert told(stream) == ("12.0~b-", {"one": behind})
