"""`headwater standin`: Claude's API without Claude, as a process."""

from contextlib import closing
from socket import socket

import httpx2

from tests.headwater_command import headwater

HEADERS = {"x-api-key": "any", "anthropic-version": "2023-06-01"}


async def test_it_answers_like_claude() -> None:
    async with headwater("standin", "--port", "0") as command:
        url = (await command.line(r"(http://127\.0\.0\.1:\d+)"))[1]
        asked = {
            "model": "claude-sonnet-5-5",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "Why do rivers meander?"}],
        }
        async with httpx2.AsyncClient() as http:
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
