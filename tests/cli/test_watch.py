"""`headwater watch`: in a pipe, and in a terminal."""

import asyncio
import fcntl
import json
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from tests import board
from tests.headwater_command import COMMAND, headwater, program
from tests.mongod import unused_port
from tests.serving import Running, serving


async def test_each_value_is_a_line_of_json_until_ctrl_c(board_server: Running, topic: str) -> None:
    async with headwater(
        "watch", "board.notes", f"topic={topic}", "--url", board_server.url
    ) as command:
        await command.line(r"^\[\]$")
        written: list[Any] = []
        for _ in range(2):
            written.append(await board_server.mutation("board.add", topic=topic))
            await command.line(f"{written[-1]['_id']}.*\\]$")
        command.process.send_signal(2)
        assert await command.ended() == 0, command.said
    assert [json.loads(line) for line in command.stdout] == [[], written[:1], written]
    assert command.stderr == []


async def test_patches_lead_from_the_snapshot(board_server: Running, topic: str) -> None:
    async with headwater(
        "watch", "board.notes", f"topic={topic}", "--patches", "--url", board_server.url
    ) as command:
        await command.line(r'^{"snapshot": \[\]}$')
        note = await board_server.mutation("board.add", topic=topic)
        told = await command.line(r'^{"patch": .*}$')
    assert json.loads(told[0]) == {"patch": [{"op": "add", "path": "/0", "value": note}]}


PIPE = "{command} watch board.notes topic={topic} --url {url} | head -n 1; echo ${{PIPESTATUS[0]}}"


async def test_the_end_of_the_pipe_ends_it_quietly(board_server: Running, topic: str) -> None:
    line = PIPE.format(command=COMMAND, topic=topic, url=board_server.url)
    async with program("bash", "-c", line) as shell:
        await shell.line(r"^\[\]$")
        await board_server.mutation("board.add", topic=topic)
        assert await shell.ended() == 0
    assert (shell.stdout, shell.stderr) == (["[]", "0"], [])


async def test_what_is_no_query_or_fails_is_said_in_a_sentence(
    board_server: Running, topic: str
) -> None:
    where = ("--url", board_server.url)
    async with (
        headwater("watch", "board.add", *where) as mutation,
        headwater("watch", "board.room", f"name={topic}", "-H", f"X-User: {topic}", *where) as room,
    ):
        assert await mutation.ended() == 2
        assert await room.ended() == 1
    assert mutation.stderr == [
        "headwater: board.add is a mutation, and only queries can be watched; "
        "`headwater run board.add` calls it."
    ]
    assert room.stderr == [f"headwater: {topic} is no member of {topic}. (forbidden)"]


class Terminal:
    """What a terminal is sent."""

    def __init__(self) -> None:
        self.screen = ""
        self._news = asyncio.Event()

    def sent(self, data: bytes) -> None:
        self.screen += data.decode(errors="replace")
        self._news.set()

    async def shows(self, text: str) -> None:
        """Wait for `text`, after what was waited for before."""
        async with asyncio.timeout(60):
            while text not in self.screen:
                self._news.clear()
                await self._news.wait()
        self.screen = self.screen.partition(text)[2]


@asynccontextmanager
async def in_a_terminal(
    *arguments: str, columns: int, rows: int
) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADWATER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from server.cli import main; main()", *arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    terminal = Terminal()
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            terminal.sent(os.read(ours, 65_536))
        except OSError:  # the other end is closed
            loop.remove_reader(ours)

    loop.add_reader(ours, read)
    try:
        yield terminal, process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        loop.remove_reader(ours)
        os.close(ours)


async def test_in_a_terminal_changes_are_marked_and_the_last_picture_stays(
    database_uri: str, topic: str
) -> None:
    port = unused_port()
    query = ("board.notes", f"topic={topic}", "--url", f"http://127.0.0.1:{port}")
    async with AsyncExitStack() as first:
        server = await first.enter_async_context(serving(database_uri, board.HERE, port=port))
        note = await server.mutation("board.add", topic=topic, text="\x1b[31mred\nand \x9bblue")
        async with in_a_terminal("watch", *query, columns=70, rows=24) as (terminal, process):
            await terminal.shows("board.notes")
            await terminal.shows(r"\u001b[31mred")
            await terminal.shows(r"and \u009bblue")
            await terminal.shows('"likes"')
            await server.mutation("board.like", id=note["_id"])
            await terminal.shows("1 change, the last at")
            await terminal.shows('"likes"')
            await terminal.shows("\x1b[7;35m1")  # reversed
            await first.aclose()
            await terminal.shows("not current: The server at")
            async with serving(database_uri, board.HERE, port=port) as server:
                await server.mutation("board.like", id=note["_id"])
                await terminal.shows("2 changes, the last at")
                await terminal.shows("\x1b[7;35m2")
                process.send_signal(2)
                await terminal.shows("\x1b[?1049l")  # the screen is as it was before
                await terminal.shows('"likes"')
                assert await process.wait() == 0
