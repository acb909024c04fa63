"""The `headwater` command in a process of its own, as a shell would start it."""

import asyncio
import os
import re
import select
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

COMMAND = str(Path(sys.executable).with_name("headwater"))
OURS = ("HEADWATER_", "ANTHROPIC_")


class Command:
    """One run of the command.

    Attributes:
        stdout: What it has printed, line by line.
        stderr: What it has complained about, line by line.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._news = asyncio.Event()
        assert process.stdout
        assert process.stderr
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self.stdout)),
            asyncio.create_task(self._read(process.stderr, self.stderr)),
        ]

    async def _read(self, stream: asyncio.StreamReader, lines: list[str]) -> None:
        while line := await stream.readline():
            lines.append(line.decode().rstrip("\n"))
            self._news.set()
        self._news.set()

    @property
    def said(self) -> str:
        """All of it, for an assertion's message."""
        return "\n".join([*self.stdout, "--- stderr", *self.stderr])

    async def line(self, pattern: str) -> re.Match[str]:
        """Wait for a line of stdout that `pattern` is found in."""
        async with asyncio.timeout(60):
            while True:
                for line in self.stdout:
                    if found := re.search(pattern, line):
                        return found
                assert not all(reader.done() for reader in self._readers), self.said
                await self._news.wait()
                self._news.clear()

    async def ended(self) -> int:
        """Wait for its end; the exit code. Then all that it said has been read."""
        async with asyncio.timeout(60):
            await asyncio.gather(*self._readers)
            return await self.process.wait()


@asynccontextmanager
async def program(
    *command_line: str, stdin: bytes | None = None, **environment: str
) -> AsyncIterator[Command]:
    """Run a program with no settings but those given; it does not outlive the block."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    process = await asyncio.create_subprocess_exec(
        *command_line,
        env={**inherited, **environment},
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # so that a Ctrl-C can be sent to the whole group
    )
    command = Command(process)
    try:
        if process.stdin is not None:
            process.stdin.write(stdin or b"")
            process.stdin.close()
        yield command
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await command.ended()


@asynccontextmanager
async def headwater(
    *arguments: str, stdin: bytes | None = None, **environment: str
) -> AsyncIterator[Command]:
    """Run ``headwater …``."""
    async with program(COMMAND, *arguments, stdin=stdin, **environment) as command:
        yield command


@dataclass
class Server:
    """A ``headwater serve`` that has said that it is ready."""

    command: Command
    url: str
    data_dir: Path | None
    http: httpx2.AsyncClient

    async def call(self, kind: str, name: str, **arguments: Any) -> Any:
        response = await self.http.post(f"/api/{kind}/{name}", json=arguments)
        assert response.status_code in (200, 202), response.text
        return response.json()["value"]

    async def readiness(self) -> httpx2.Response:
        return await self.http.get("/readyz")

    async def becomes(self, status: int) -> httpx2.Response:
        """Wait until /readyz says `status`."""
        async with asyncio.timeout(60):
            while (response := await self.readiness()).status_code != status:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return response

    @property
    def mongod_pid(self) -> int:
        """Of its embedded mongod, which runs."""
        assert self.data_dir is not None
        return int((self.data_dir / "mongodb" / "mongod.lock").read_text())


@asynccontextmanager
async def serving_process(
    data_dir: Path | None = None, *arguments: str, **environment: str
) -> AsyncIterator[Server]:
    """``headwater serve`` on a free port, ready."""
    if data_dir is not None:
        environment["HEADWATER_DATA_DIR"] = str(data_dir)
    environment.setdefault("HEADWATER_PORT", "0")
    async with headwater("serve", *arguments, **environment) as command:
        url = (await command.line(r"Headwater +(http://\S+)"))[1]
        await command.line("Ctrl-C")
        async with httpx2.AsyncClient(base_url=url, timeout=60, verify=False) as http:
            yield Server(command, url, data_dir, http)


@asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Callable[[], Any]]:
    """Gives what waits for the end of a process that is not our child."""
    pidfd = os.pidfd_open(pid)

    async def ended() -> None:
        ready, _, _ = await asyncio.to_thread(select.select, [pidfd], [], [], 60)
        assert ready, f"process {pid} is still there"

    try:
        yield ended
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
