"""A log: where a reader is in it, and what it is told."""

import orjson

from schemas.wire.patch import Operation
from schemas.wire.position import Time
from server.core import limits
from server.live.log import Log


def append(text: str) -> list[Operation]:
    return [{"op": "append", "path": "/0", "value": text}]


def at(seconds: int) -> Time:
    return Time(seconds, 0)


def log_of(*entries: tuple[int, str, int]) -> Log:
    """A log that begins at 10; entries are time, text and from when the old value was stale."""
    log = Log()
    log.restart(at(10))
    for seconds, text, stale_from in entries:
        log.append(at(seconds), append(text), 10_000, at(stale_from))
    return log


def test_a_reader_who_is_behind_gets_one_merged_append() -> None:
    log = log_of((11, "a", 11), (12, "b", 12), (13, "c", 13))
    found = log.since(log.end - 2)
    assert found is not None
    assert orjson.loads(b"[" + found + b"]") == append("bc")
    assert log.since(log.end) == b""


def test_a_reader_resumes_from_where_its_value_was_true() -> None:
    log = log_of((11, "a", 11), (13, "b", 13))
    assert log.cursor_at(at(9)) is None
    assert log.cursor_at(at(10)) == log.end - 2
    assert log.cursor_at(at(11)) == log.end - 1
    assert log.cursor_at(at(12)) == log.end - 1
    assert log.cursor_at(at(13)) == log.end
    assert log.cursor_at(at(99)) == log.end


def test_a_reader_cannot_resume_where_the_value_was_not_known() -> None:
    log = log_of((20, "a", 15))
    assert log.cursor_at(at(14)) == log.end - 1
    assert log.cursor_at(at(15)) is None
    assert log.cursor_at(at(19)) is None
    assert log.cursor_at(at(20)) == log.end


def test_a_log_keeps_no_more_than_the_snapshot_it_saves() -> None:
    log = Log()
    log.restart(at(1))
    for seconds in range(2, 400):
        log.append(at(seconds), append("x" * 50), 5_000, at(seconds))
    assert log.bytes <= 5_000
    assert log.since(log.start) is not None
    assert log.since(log.start - 1) is None
    assert log.cursor_at(at(2)) is None


def test_a_log_is_bounded_in_bytes_and_in_number() -> None:
    log = Log()
    log.restart(at(1))
    for seconds in range(2, 40):
        log.append(at(seconds), append("x" * 50_000), 10**9, at(seconds))
    assert log.bytes <= limits.LOG_BYTES_MAX
    for seconds in range(40, 40 + 2 * limits.LOG_ENTRIES_MAX):
        log.append(at(seconds), [], 10**9, at(seconds - 1))
    assert log.end - log.start <= limits.LOG_ENTRIES_MAX


def test_nobody_goes_on_across_a_restart() -> None:
    log = log_of((11, "a", 11))
    cursor = log.end
    log.restart(at(20))
    assert log.since(cursor) is None
    assert log.cursor_at(at(19)) is None
    assert log.cursor_at(at(20)) == log.end
