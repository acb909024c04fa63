"""Output on its way to the task's terminal: in order, nothing twice, nothing lost but with a mark.

Each append says how much of its stream came before it, so it can be made again when nobody knows
whether it arrived.
"""

import asyncio
import logging
from collections import deque
from typing import Any

from server.client import Client, Conflict, HeadwaterError
from server.sidecar import limits
from server.sidecar.command import OutputStream
from server.sidecar.insisting import insist

__all__ = ["Terminal"]

_log = logging.getLogger("headwater")


class Terminal:
    """Sends what commands of one task write."""

    def __init__(self, client: Client, task_id: str) -> None:
        self._client = client
        self._task_id = task_id
        self._waiting: deque[tuple[str, OutputStream, str]] = deque()
        self._waiting_characters = 0
        self._omitted = 0
        self._sent: dict[tuple[str, OutputStream], int] = {}
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def write(self, command_id: str, stream: OutputStream, text: str) -> None:
        """Show `text`, as soon as may be."""
        if self._waiting_characters + len(text) > limits.TERMINAL_CHARACTERS_MAX:
            self._omitted += len(text)
            return
        if self._omitted:
            mark = f"\n[{self._omitted:,} characters left out: the server was away]\n"
            self._omitted = 0
            self._waiting.append((command_id, stream, mark))
            self._waiting_characters += len(mark)
        self._waiting.append((command_id, stream, text))
        self._waiting_characters += len(text)
        self._idle.clear()
        self._news.set()

    def forget(self, command_id: str) -> None:
        """A command has ended: once what it wrote is sent, nothing of it is kept."""
        self._waiting.append((command_id, "stdout", ""))
        self._news.set()

    async def flushed(self) -> None:
        """Wait until all is sent."""
        await self._idle.wait()

    async def send(self) -> None:
        """Send what comes, without end."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._append(*self._next())
                if not self._waiting:
                    self._idle.set()
                    await asyncio.sleep(limits.TERMINAL_INTERVAL_MS / 1000)

    def _next(self) -> tuple[str, OutputStream, str]:
        """What comes next of one stream, taken off the queue; what is left of it stays."""
        command_id, stream, text = self._waiting.popleft()
        if not text:
            return command_id, stream, text
        texts = [text]
        length = len(text)
        while (
            length < limits.APPEND_CHARACTERS_MAX
            and self._waiting
            and self._waiting[0][:2] == (command_id, stream)
            and self._waiting[0][2]
        ):
            texts.append(self._waiting.popleft()[2])
            length += len(texts[-1])
        text = "".join(texts)
        if length > limits.APPEND_CHARACTERS_MAX:
            rest = text[limits.APPEND_CHARACTERS_MAX :]
            self._waiting.appendleft((command_id, stream, rest))
            text = text[: limits.APPEND_CHARACTERS_MAX]
        self._waiting_characters -= len(text)
        return command_id, stream, text

    async def _append(self, command_id: str, stream: OutputStream, text: str) -> None:
        if not text:
            for each in ("stdout", "stderr"):
                self._sent.pop((command_id, each), None)
            return
        try:
            await insist(lambda: self._append_once(command_id, stream, text))
        except HeadwaterError as error:
            _log.warning("%d characters of output were not taken: %s", len(text), error.message)

    async def _append_once(self, command_id: str, stream: OutputStream, text: str) -> None:
        key = command_id, stream
        args: dict[str, Any] = {
            "taskId": self._task_id,
            "commandId": command_id,
            "stream": stream,
            "text": text,
        }
        try:
            offset = self._sent.get(key, 0)
            answer = await self._append_at(args, offset)
        except Conflict as error:
            # Somebody emptied the terminal: it begins anew.
            expected = error.details.get("expectedOffset") if error.details else None
            if not isinstance(expected, int):
                raise
            answer = await self._append_at(args, expected)
        self._sent[key] = answer["offset"]

    async def _append_at(self, args: dict[str, Any], offset: int) -> Any:
        return await self._client.mutation("terminalOutput.append", {**args, "offset": offset})
