"""Runs a function every so many seconds, where this process is the one that gets the run."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from pymongo.errors import PyMongoError

from server.core import limits
from server.core.tasks import raise_if_cancelled
from server.runtime.action_context import ActionCtx
from server.runtime.every import Every
from server.runtime.explain import explain
from server.runtime.leases import LeaseLost, kept
from server.store.schedules import Schedules

__all__ = ["EveryRunner"]

_log = logging.getLogger("headwater")


class EveryRunner:
    """Runs one function whenever it is due and this process is the one that gets it.

    Args:
        name: Its wire name.
        one: The function.
        schedules: Where the processes agree on who runs it.
        context: Gives what a run is given.

    Attributes:
        outcomes: How many runs of this process ended how: ``succeeded``, ``failed``,
            ``timed_out``, ``lost`` (another process may have taken it), ``handed_back``.
    """

    def __init__(
        self, name: str, one: Every, schedules: Schedules, context: Callable[[str], ActionCtx]
    ) -> None:
        self.name = name
        self.one = one
        self._schedules = schedules
        self._context = context
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> None:
        """Run it whenever it is due, until cancelled."""
        left: float | None = None
        unreachable = False
        while True:
            raise_if_cancelled()
            try:
                if left is None:  # at first, and where the database was dropped
                    await self._schedules.prepare(self.name, self.one.seconds)
                    raise_if_cancelled()
                left = await self._schedules.due_in(self.name)
                raise_if_cancelled()
                if left is not None and left <= 0:
                    await self._run_once()
                unreachable = False
            except PyMongoError as error:
                raise_if_cancelled()
                if not unreachable:
                    _log.warning("%s waits for the database (%s).", self.name, type(error).__name__)
                unreachable, left = True, limits.RUN_RETRY_SECONDS
            if left is not None and left > 0:
                await asyncio.sleep(min(left, self.one.seconds, limits.EVERY_LOOK_SECONDS))

    async def _run_once(self) -> None:
        since = asyncio.get_running_loop().time()
        seconds = min(self.one.timeout, limits.RUN_LEASE_SECONDS)
        lease = await self._schedules.claim(self.name, seconds)
        if lease is None:
            return
        outcome, error = "handed_back", None
        try:
            raise_if_cancelled()

            async def renew() -> bool:
                return await self._schedules.renew(self.name, lease, seconds)

            async with kept(renew, seconds, since):
                outcome, error = await self._outcome()
        except LeaseLost:
            outcome = "lost"
            _log.warning("%s was cancelled: its lease was lost, another runs it.", self.name)
        finally:
            self.outcomes[outcome] += 1
            if outcome == "handed_back":
                await self._schedules.hand_back(self.name, lease)
            elif outcome != "lost":
                await self._schedules.finish(self.name, lease, self.one.seconds, outcome, error)

    async def _outcome(self) -> tuple[str, str | None]:
        """Call the function; how that ended, and why not well."""
        one, scope = self.one, asyncio.timeout(self.one.timeout)
        try:
            async with scope:
                await one.body(self._context(self.name))
            raise_if_cancelled()
        except Exception as error:  # noqa: BLE001  # whatever it raises, it runs again
            raise_if_cancelled()
            if isinstance(error, TimeoutError) and scope.expired():
                said = f"It took longer than its {one.timeout:g} s and was cancelled."
                _log.warning("%s: %s", self.name, said)
                return "timed_out", said
            known = explain(self.name, error)
            _log.warning("%s failed and runs again: %s", self.name, known.message)
            return "failed", known.message
        return "succeeded", None
