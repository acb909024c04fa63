"""Recorded event streams, sent again: the bytes, and what the SDK makes of them."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.llm import Accumulator
from server.llm.standin import (
    CutShort,
    Dropped,
    RecordingError,
    Replay,
    Reply,
    StandinServer,
    Text,
    load_replays,
)
from server.llm.standin.recording import frames, recorded_message

RECORDINGS = Path(__file__).parent / "recordings"
FILES = sorted(RECORDINGS.iterdir())
WRITTEN = {path: path.read_bytes() for path in FILES}
HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
HELLO = {"role": "user", "content": "Hello"}
BODY: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 1_000, "messages": [HELLO]}
GO_ON = {"type": "text", "text": "Go on."}


@pytest.fixture
async def http(standin: StandinServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=standin.base_url, headers=HEADERS, timeout=60, trust_env=False, verify=False
    ) as http:
        yield http


@pytest.fixture
async def sdk(standin: StandinServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=standin.base_url, api_key="any", max_retries=0
    ) as sdk:
        yield sdk


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_a_recording_is_sent_byte_for_byte(
    http: httpx2.AsyncClient, standin: StandinServer, path: Path
):
    standin.script.add(*load_replays(path))
    response = await http.post("/v1/messages", json=BODY | {"stream": True})
    sent = response.content
    if path.suffix == ".txt":
        assert not WRITTEN[path].endswith(b"\n")
        assert sent == WRITTEN[path] + b"\n\n", "the last event is whole, so it is closed"
    else:
        assert sent == WRITTEN[path]
    assert standin.requests[-1].outcome == "answered"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_the_sdk_and_we_read_the_same(
    sdk: anthropic.AsyncAnthropic, standin: StandinServer, path: Path
):
    standin.script.add(*load_replays(path), *load_replays(path), *load_replays(path))
    async with sdk.messages.stream(**BODY) as stream:
        final = (await stream.get_final_message()).model_dump(mode="json", exclude_unset=True)
    accumulator = Accumulator()
    async for event in await sdk.messages.create(**BODY, stream=True):
        accumulator.feed(event.to_dict(mode="json"))
    assert accumulator.is_complete
    assert list(accumulator.content) == final["content"]
    assert recorded_message(WRITTEN[path]) is not None
    whole = (await sdk.messages.create(**BODY)).model_dump(mode="json", exclude_unset=True)
    assert whole["content"] == final["content"]
    assert whole["stop_reason"] == final["stop_reason"]
    assert whole["usage"]["output_tokens"] == final["usage"]["output_tokens"]


async def test_a_folder_is_one_recording_a_turn_by_name(
    http: httpx2.AsyncClient, standin: StandinServer
):
    standin.script.add(*load_replays(RECORDINGS))
    ids = [(await http.post("/v1/messages", json=BODY)).json()["id"] for _ in FILES]
    assert ids == [
        "msg_01RecordedToolUse0000000",
        "msg_01RecordedWebSearch00000",
        "msg_01RecordedUnclosed000000",
    ]


async def test_what_was_recorded_may_come_back_but_not_altered(
    http: httpx2.AsyncClient, standin: StandinServer
):
    standin.script.add(*load_replays(FILES[0]))
    content = (await http.post("/v1/messages", json=BODY)).json()["content"]
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "rain"}
        for block in content
        if block["type"] == "tool_use"
    ]
    altered = [content[0] | {"thinking": "Something else."}, *content[1:]]
    for said, first, status in (
        (content, HELLO, 200),
        (altered, HELLO, 400),
        (content, {"role": "user", "content": "Hello?"}, 400),
        (content[1:], HELLO, 400),
    ):
        standin.script.clear()
        standin.script.add(Reply([Text(["Rain."])]))
        messages = [
            first,
            {"role": "assistant", "content": said},
            {"role": "user", "content": results},
        ]
        response = await http.post("/v1/messages", json=BODY | {"messages": messages})
        assert response.status_code == status, response.text


async def test_a_recording_may_break_at_every_event(
    sdk: anthropic.AsyncAnthropic, standin: StandinServer
):
    data = WRITTEN[FILES[1]]
    kinds = [frame.kind for frame in frames(data)]
    for at in range(len(kinds) + 1):
        for failure in (CutShort(at_event=at), Dropped(at_event=at)):
            standin.script.add(Replay(data, failure=failure))
            seen: list[str] = []
            try:
                async for event in await sdk.messages.create(**BODY, stream=True):
                    seen.append(event.type)  # noqa: PERF401 — kept when the next one fails
                assert isinstance(failure, CutShort)
                assert seen == [kind for kind in kinds[:at] if kind != "ping"]
            except httpx2.HTTPError:
                assert isinstance(failure, Dropped)


async def test_a_recording_that_was_cut_ends_so_again(
    http: httpx2.AsyncClient, standin: StandinServer
):
    data = WRITTEN[FILES[0]]
    for end in (len(data) // 2, len(data) // 3):
        standin.script.add(Replay(data[:end]))
        response = await http.post("/v1/messages", json=BODY | {"stream": True})
        assert response.content.rstrip() == data[:end].rstrip()


@given(st.lists(st.sampled_from(["event: a", "data: {}", "data: x", ": c", "", "id: 1", "\ufeff"])),
       st.sampled_from(["\n", "\r\n", "\r"]))  # fmt: skip
def test_the_events_of_anything_join_to_it_again(lines: list[str], end: str):
    data = end.join(lines).encode()
    joined = b"".join(frame.data for frame in frames(data))
    assert joined in {data, data.rstrip(b"\r\n") + b"\n\n"}
    stripped = re.sub(rb"[\r\n]", b"", joined)
    assert stripped == re.sub(rb"[\r\n]", b"", data)


def test_a_recording_that_is_none_is_refused_in_words(tmp_path: Path):
    empty = tmp_path / "empty.sse"
    empty.write_text("Hello")
    for path, words in (
        (tmp_path / "nowhere.sse", "No such file"),
        (empty, "no event in it"),
        (tmp_path / "folder", "no .sse or .txt"),
    ):
        if path.name == "folder":
            path.mkdir()
        with pytest.raises(RecordingError, match=words):
            load_replays(path)
