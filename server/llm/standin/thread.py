"""The stand-in in a thread of its own, for programs and tests that have no event loop to lend."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

from server.llm.standin.requests import ReceivedRequest
from server.llm.standin.script import Script
from server.llm.standin.server import StandinServer

__all__ = ["ClaudeStandin"]

_T = TypeVar("_T")


class ClaudeStandin:
    """A stand-in that runs from `start` to `stop`, or as long as a ``with`` block.

    Args:
        script: What to say; None improvises.
        deltas_per_second: The pace of improvised replies; at once unless it is given.
        script_interval_ms: Between the deltas of scripted replies, where they do not say.
        cache_tokens_min: The shortest prompt that is cached.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        deltas_per_second: float = float("inf"),
        script_interval_ms: float = 0,
        cache_tokens_min: int = 1,
    ) -> None:
        self._server = StandinServer(
            script,
            deltas_per_second=deltas_per_second,
            script_interval_ms=script_interval_ms,
            cache_tokens_min=cache_tokens_min,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="claude-standin", daemon=True)
        self._ready = threading.Event()

    @property
    def base_url(self) -> str:
        """Where to send requests: the SDK's ``base_url``, or ``ANTHROPIC_BASE_URL``."""
        return self._server.base_url

    @property
    def script(self) -> Script:
        """What it will say next; ``script.add(Reply(…))`` from any thread."""
        return self._server.script

    @property
    def requests(self) -> Sequence[ReceivedRequest]:
        """The last requests, oldest first, those refused as malformed included."""
        return list(self._server.requests)

    def start(self) -> Self:
        """Listen on a free port of this machine."""
        self._thread.start()
        self._ready.wait()
        self.run(self._server.start())
        return self

    def stop(self) -> None:
        """End open streams and close the port; again, or before `start`, does nothing."""
        loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._server.stop(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()

    def set(self, event: asyncio.Event) -> None:
        """Set an event that a script waits for, such as ``Stalled(until=…)``'s."""
        assert self._loop is not None, "it does not run"
        self._loop.call_soon_threadsafe(event.set)

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run something in the stand-in's event loop, such as ``requests[-1].ended.wait()``."""
        assert self._loop is not None, "it does not run"
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._loop.call_soon(self._ready.set)
            self._loop.run_forever()
