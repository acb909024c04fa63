"""Runs one command of a shell, and ends all that it began.

The command has a session and process group of its own, in which a guardian waits for the end of
its standard input, which only this process holds: should this process be killed, the guardian
ends the group. When the command ends, so does whatever it left running.
"""

import asyncio
import codecs
import os
import secrets
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from server.sidecar import limits
from server.sidecar.excerpt import Excerpt
from server.sidecar.processes import end_marked

__all__ = ["Outcome", "OutputStream", "run_command"]

OutputStream = Literal["stdout", "stderr"]
_STREAMS: dict[int, OutputStream] = {1: "stdout", 2: "stderr"}
_MARK = "HEADWATER_COMMAND"
"""A variable by which all that a command began is known."""

_GUARDED = """
exec 3<&0 </dev/null
( exec >/dev/null 2>&1; read -r _ <&3; kill -KILL 0 ) &
exec 3<&-
exec /bin/sh -c "$1"
"""


class Outcome(NamedTuple):
    """How a command ended.

    Attributes:
        ending: ``exited`` by itself, ``timed_out``, or ``flooded`` and was killed for it.
        exit_code: Of one that exited; 128 and the signal's number for one that a signal ended.
        stdout: What it wrote, its middle left out where it was long.
        stderr: The same.
    """

    ending: Literal["exited", "timed_out", "flooded"]
    exit_code: int | None
    stdout: str
    stderr: str


async def run_command(
    command: str,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    on_output: Callable[[OutputStream, str], None],
) -> Outcome:
    """Run `command`; cancelled, it is killed.

    Args:
        command: For ``/bin/sh -c``.
        folder: Where.
        environment: All that it sees, but a mark.
        seconds: How long it may take.
        on_output: Called with what it writes, as it comes; `OUTPUT_CHARACTERS_MAX` at most.

    Raises:
        OSError: It cannot be started.
    """
    mark = secrets.token_hex(12)
    transport, protocol = await asyncio.get_running_loop().subprocess_exec(
        lambda: _Output(on_output),
        *("/bin/sh", "-c", _GUARDED, "sh", command),
        cwd=folder,
        env={**environment, _MARK: mark},
        start_new_session=True,
    )
    group = transport.get_pid()
    ending: Literal["exited", "timed_out", "flooded"] = "exited"
    try:
        async with asyncio.timeout(seconds):
            await protocol.stopped.wait()
        ending = "flooded" if protocol.flooded else "exited"
    except TimeoutError:
        ending = "timed_out"
    finally:
        code = transport.get_returncode()
        await _through(_end(transport, protocol, group, f"{_MARK}={mark}"))
    exit_code = None
    if ending == "exited" and code is not None:
        exit_code = code if code >= 0 else 128 - code
    return Outcome(ending, exit_code, str(protocol.told["stdout"]), str(protocol.told["stderr"]))


async def _end(
    transport: asyncio.SubprocessTransport, protocol: "_Output", group: int, mark: str
) -> None:
    """End all processes, take in what they wrote last, and let go of their pipes."""
    if transport.get_returncode() is None and not protocol.flooded:
        _signal_group(group, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.KILL_GRACE_SECONDS):
                await protocol.exited.wait()
    _signal_group(group, signal.SIGKILL)
    await asyncio.to_thread(end_marked, mark)
    if not protocol.flooded:
        with suppress(TimeoutError):  # whoever cleared their environment may hold a pipe still
            async with asyncio.timeout(limits.KILL_GRACE_SECONDS):
                await protocol.heard.wait()
    transport.close()
    protocol.finish()


async def _through(work: Coroutine[Any, Any, None]) -> None:
    """Do all of `work`, also where this task is cancelled meanwhile; then it is."""
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class _Output(asyncio.SubprocessProtocol):
    """Takes in what a command writes.

    Attributes:
        stopped: It exited, or is to be killed because it floods.
        exited: It exited.
        heard: It exited, and both streams have ended.
        flooded: Whether it wrote too much to be let go on.
        told: What Claude is told of each stream.
    """

    def __init__(self, on_output: Callable[[OutputStream, str], None]) -> None:
        self._on_output = on_output
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders: dict[OutputStream, codecs.IncrementalDecoder] = {
            name: decoder("replace") for name in _STREAMS.values()
        }
        self._shown_left = limits.OUTPUT_CHARACTERS_MAX
        self._bytes_left = limits.FLOOD_BYTES_MAX
        self._transport: asyncio.SubprocessTransport | None = None
        self.stopped = asyncio.Event()
        self.exited = asyncio.Event()
        self.heard = asyncio.Event()
        self.flooded = False
        self.told = {name: Excerpt(limits.TOLD_CHARACTERS_MAX) for name in _STREAMS.values()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self.flooded:
            return
        self._bytes_left -= len(data)
        stream = _STREAMS[fd]
        self._take(stream, self._decoders[stream].decode(data))
        if self._bytes_left < 0:
            self.flooded = True
            self._pause()
            self.stopped.set()

    def process_exited(self) -> None:
        self.exited.set()
        self.stopped.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.set()

    def finish(self) -> None:
        """No more comes: what is left of a character that was cut is told too."""
        for stream, decoder in self._decoders.items():
            self._take(stream, decoder.decode(b"", final=True))

    def _take(self, stream: OutputStream, text: str) -> None:
        if not text:
            return
        self.told[stream].add(text)
        if self._shown_left <= 0:
            return
        shown = text[: self._shown_left]
        self._shown_left -= len(text)
        self._on_output(stream, shown)
        if self._shown_left <= 0:
            limit = limits.OUTPUT_CHARACTERS_MAX
            self._on_output(stream, f"\n[What comes after {limit:,} characters is left out.]\n")

    def _pause(self) -> None:
        assert self._transport is not None
        for fd in _STREAMS:
            pipe = self._transport.get_pipe_transport(fd)
            if isinstance(pipe, asyncio.ReadTransport):
                pipe.pause_reading()
