"""`headwater standin`: Claude's API without Claude, as a process."""

from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Any

import httpx2

from tests.headwater_command import headwater

RECORDINGS = Path(__file__).parents[1] / "llm" / "recordings"
HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01"}


async def test_it_answers_like_claude() -> None:
    async with headwater("standin", "--port", "0") as command:
        url = (await command.line(r"(http://127\.0\.0\.1:\d+)"))[1]
        asked = {
            "model": "claude-sonnet-5-5",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "Why do rivers meander?"}],
        }
        async with httpx2.AsyncClient(timeout=60) as http:
            response = await http.post(f"{url}/v1/messages", json=asked, headers=HEADERS)
        assert response.status_code == 200, response.text
        assert response.json()["content"][0]["type"] == "text"
        command.process.terminate()
        await command.ended()
        assert command.stderr == []


async def test_a_port_in_use_is_refused() -> None:
    with closing(socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        async with headwater("standin", "--port", port) as command:
            assert await command.ended() == 2
    assert command.stderr == [
        f"headwater: The stand-in cannot listen on 127.0.0.1:{port}: address already in use; "
        "choose another --port."
    ]


async def ask(url: str) -> dict[str, Any]:
    asked = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Why do rivers meander?"}],
    }
    async with httpx2.AsyncClient(timeout=60) as http:
        response = await http.post(f"{url}/v1/messages", json=asked, headers=HEADERS)
    return response.json()


async def test_it_says_what_files_tell_it_and_then_again(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"turns": [{"parts": [{"type": "text", "deltas": "As scripted."}]}]}')
    options = ("--script", str(script), "--replay", str(RECORDINGS), "--loop", "--rate", "inf")
    async with headwater("standin", "--port", "0", *options) as command:
        url = (await command.line(r"(http://127\.0\.0\.1:\d+)"))[1]
        told = [await ask(url) for _ in range(5)]
    assert [message["id"] for message in told[1:4]] == [
        "msg_01RecordedToolUse0000000",
        "msg_01RecordedWebSearch00000",
        "msg_01RecordedUnclosed000000",
    ]
    assert told[0]["content"] == told[4]["content"] == [{"type": "text", "text": "As scripted."}]


async def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"turns": [{"parts": 7}]}')
    for options, words in (
        (("--script", str(script)), f"{script}: turns.0.parts: input should be a valid array."),
        (("--replay", str(tmp_path / "x")), f"{tmp_path / 'x'}: No such file or directory."),
    ):
        async with headwater("standin", "--port", "0", *options) as command:
            assert await command.ended() == 2
        assert command.stderr == [f"headwater: {words}"]
