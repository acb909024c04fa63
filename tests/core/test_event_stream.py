"""Server-sent events out of bytes, cut anywhere; the rules are the HTML standard's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import event_stream
from server.core.event_stream import EventStream, EventTooLong, ServerSentEvent

words = st.text(alphabet="ab: é\U0001f600", max_size=6)
events = st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=3)), max_size=5)


@given(events, st.sampled_from(["\n", "\r", "\r\n"]), st.booleans(), st.data())
def test_cut_anywhere_the_events_are_the_same(
    sent: list[tuple[str, list[str]]], end: str, bom: bool, data: st.DataObject
) -> None:
    text = "\ufeff" if bom else ""
    for kind, lines in sent:
        text += f": a comment{end}event: {kind}{end}id: 7{end}retry{end}"
        text += "".join(f"data: {line}{end}" for line in lines) + end
    raw = (text + f"data: never ended{end}").encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    stream = EventStream()
    found = [
        event
        for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True)
        for event in stream.feed(raw[start:stop])
    ]
    assert found == [
        ServerSentEvent(kind.encode(), "\n".join(lines).encode(), b"7") for kind, lines in sent
    ]


def test_a_space_after_the_colon_is_no_part_of_the_value_and_a_second_is() -> None:
    (event,) = EventStream().feed(b"data:a\ndata:  b\ndata\n\n")
    assert event.data == b"a\n b\n"


def test_an_event_of_no_data_is_none() -> None:
    assert EventStream().feed(b"event: ping\n\n\n\ndata: x\n\n") == [ServerSentEvent(b"", b"x")]


def test_an_id_stays_until_another_comes() -> None:
    sent = b"data: a\n\nid: 1\ndata: b\n\ndata: c\n\nid: 2\0\ndata: d\n\nid\ndata: e\n\n"
    assert [event.id for event in EventStream().feed(sent)] == [b"", b"1", b"1", b"1", b""]


@pytest.mark.parametrize("line", [b"data: ", b"data: abc\n", b"data\n"])
def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    monkeypatch.setattr(event_stream, "EVENT_BYTES_MAX", 100)
    stream = EventStream()
    for _ in range(100 // len(line)):
        stream.feed(line)
    with pytest.raises(EventTooLong, match="more than 100 bytes"):
        stream.feed(line * 100)
