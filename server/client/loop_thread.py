"""An event loop in a thread of its own, for callers who have none."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, TypeVar

__all__ = ["LoopThread"]

_T = TypeVar("_T")


class _ClosedMeanwhile(RuntimeError):
    """The loop was closed while somebody waited."""


class LoopThread:
    """A loop that runs until it is closed; any number of threads may call `run`.

    It does not keep the program from ending.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = False
        self._lock = threading.RLock()  # nothing is started once it is closing
        self._ending: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="headwater client", daemon=True
        )
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """What `coroutine` gives or raises. An interrupt cancels it, and waits for its end.

        Raises:
            RuntimeError: The loop is closed.
        """
        tasks: list[asyncio.Task[_T]] = []
        ended = threading.Event()

        def start() -> None:
            task = self._loop.create_task(coroutine)
            tasks.append(task)
            task.add_done_callback(lambda _: ended.set())

        def abandon() -> None:
            if tasks:
                tasks[0].cancel()
            else:
                coroutine.close()
                ended.set()

        try:
            if not self._call(start):
                coroutine.close()
                raise RuntimeError("The client is closed.")
            ended.wait()
        except KeyboardInterrupt:  # may come at any moment, also before the loop was called
            if self._call(abandon):
                ended.wait()
            raise
        if tasks[0].cancelled():
            raise _ClosedMeanwhile("The client is closed.")
        return tasks[0].result()

    def iterate(self, values: AsyncGenerator[_T]) -> Generator[_T]:
        """The same values, each waited for; they end when the loop is closed."""

        one_at_a_time = asyncio.Lock()  # an interrupted value may still be on its way to its end

        async def following() -> _T:
            async with one_at_a_time:
                return await anext(values)

        async def close() -> None:
            async with one_at_a_time:
                await values.aclose()

        try:
            while True:
                try:
                    value = self.run(following())
                except (StopAsyncIteration, _ClosedMeanwhile):
                    return
                yield value
        finally:
            self._end(close())

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run `last`, cancel what is still at work, and end the loop. May be repeated."""

        async def finish() -> None:
            try:
                await last
            finally:
                others = asyncio.all_tasks() - {asyncio.current_task()}
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                await self._loop.shutdown_asyncgens()

        with self._lock:
            if self._closing:
                last.close()
                return
            self._closing = True
        asyncio.run_coroutine_threadsafe(finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, function: Callable[[], object]) -> bool:
        """Have `function` called by the loop; False where that is closed."""
        with self._lock:
            if not self._closing:
                self._loop.call_soon_threadsafe(function)
            return not self._closing

    def _end(self, closing: Coroutine[Any, Any, None]) -> None:
        """Run `closing`, and do not wait: it may be the garbage collector who ends something.

        In whichever thread, the loop's own included, and in the middle of whatever.
        """

        def start() -> None:
            ending = self._loop.create_task(closing)
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

        if not self._call(start):
            closing.close()  # the loop's end has ended it
