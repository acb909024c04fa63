"""Makes the calls that were scheduled, as they come due."""

import asyncio
import contextlib
import logging
from collections import Counter
from typing import Any

import orjson
from pymongo.errors import PyMongoError

from server.core import limits
from server.core.errors import HeadwaterError, Internal
from server.core.tasks import raise_if_cancelled
from server.runtime.actions import Actions
from server.runtime.caller import ANONYMOUS, Caller
from server.runtime.explain import explain
from server.runtime.leases import LeaseLost, kept
from server.runtime.runtime import Runtime
from server.runtime.scheduler import Scheduling
from server.store.scheduled_calls import ScheduledCall, ScheduledCalls, delete_claimed
from server.store.writes import Session

__all__ = ["OUTCOMES", "CallRunner", "caller_of"]

_log = logging.getLogger("headwater")

OUTCOMES = ("succeeded", "retried", "failed", "lost", "handed_back")
"""How a call may end in this process: it was made; it will be tried again; it has failed for good;
another process may have taken it; it was given back."""

AGAIN_SECONDS_MIN = 0.02
"""Before the next look where another process was quicker."""
NAMES_WARNED_MAX = 100


class CallRunner:
    """Claims scheduled calls for this process and makes them.

    A mutation deletes its call in its own transaction, so that it is applied once and never
    again. An action's is deleted when it is over; where its process dies before that, another
    makes the call again.

    Args:
        calls: Those of the database.
        scheduling: Tells of calls that this process schedules.
        runtime: Applies mutations.
        actions: Runs actions.

    Attributes:
        outcomes: How many calls of this process ended how, by `OUTCOMES`.
        overdue_seconds: For how long the call has been due that is due for longest.
        failed: How many failed ones the database keeps.
        seconds: How long calls took, in all.
    """

    def __init__(
        self, calls: ScheduledCalls, scheduling: Scheduling, runtime: Runtime, actions: Actions
    ) -> None:
        self._calls = calls
        self._scheduling = scheduling
        self._runtime = runtime
        self._actions = actions
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._looked_for_unknown = float("-inf")
        self._warned: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self.overdue_seconds = 0.0
        self.failed = 0
        self.seconds = 0.0

    @property
    def running(self) -> int:
        """How many it is making."""
        return len(self._running)

    @property
    def stored(self) -> int:
        """About how many the database holds, failed ones too."""
        return self._scheduling.stored

    async def run(self) -> None:
        """Make calls as they come due, until cancelled or stopped."""
        unreachable = False
        while not self._stopping:
            raise_if_cancelled()
            self._scheduling.news.clear()
            try:
                pause = await self.step()
                raise_if_cancelled()
                unreachable = False
            except PyMongoError as error:
                raise_if_cancelled()
                if not unreachable:
                    _log.warning("Scheduled calls wait for the database (%s).", _named(error))
                unreachable, pause = True, limits.SCHEDULED_LOOK_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._scheduling.news.wait()

    async def step(self) -> float:
        """Begin the calls that are due; gives how many seconds to wait for the next."""
        left = await self._calls.due_in()
        self.overdue_seconds = max(-left, 0.0) if left is not None else 0.0
        if left is not None and left <= 0:
            while self._has_room and await self._claim_one():
                raise_if_cancelled()
            left = await self._calls.due_in() if self._has_room else None
        await self._look_around()
        if left is None:
            return limits.SCHEDULED_LOOK_SECONDS
        return min(max(left, AGAIN_SECONDS_MIN), limits.SCHEDULED_LOOK_SECONDS)

    @property
    def _has_room(self) -> bool:
        return len(self._running) < limits.SCHEDULED_RUNS_MAX and not self._stopping

    async def _claim_one(self) -> bool:
        """Begin the call that has been due for longest; whether there was one."""
        since = asyncio.get_running_loop().time()
        call = await self._calls.claim()
        if call is None:
            return False
        task = asyncio.create_task(self._make(call, since), name=f"scheduled {call.function}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return True

    async def stop(self) -> None:
        """Cancel the calls at work and hand them back; bounded, as `Actions.stop` is."""
        self._stopping = True
        self._scheduling.news.set()
        for _ in range(2):
            tasks = list(self._running)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=limits.SHUTDOWN_SECONDS / 2)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._scheduling.news.set()  # there is room for another

    async def _look_around(self) -> None:
        """See to what need not be known at once."""
        if self._scheduling.is_uncertain:
            self._scheduling.stored = await self._calls.stored()
        now = asyncio.get_running_loop().time()
        if now - self._looked_for_unknown < limits.SCHEDULED_UNKNOWN_LOOK_SECONDS:
            return
        self._looked_for_unknown = now
        self._scheduling.stored = await self._calls.stored()
        self.failed = await self._calls.failed()
        for name in await self._calls.unknown():
            if name not in self._warned and len(self._warned) < NAMES_WARNED_MAX:
                self._warned.add(name)
                _log.warning(
                    "Calls of %.100s are due, and this server has no such function; they wait a "
                    "day for one that has.",
                    name,
                )

    # --- one call ------------------------------------------------------------------------------

    async def _make(self, call: ScheduledCall, since: float) -> None:
        """Make one call, and see to whatever comes of it."""
        outcome = "handed_back"
        try:
            raise_if_cancelled()
            outcome = await self._outcome(call, since)
        finally:
            self.outcomes[outcome] += 1
            self.seconds += asyncio.get_running_loop().time() - since
            if outcome == "handed_back":
                try:
                    await self._calls.hand_back(call)
                except PyMongoError as error:  # its lease ends by itself
                    _log.warning("A scheduled call was not handed back (%s).", _named(error))

    async def _outcome(self, call: ScheduledCall, since: float) -> str:
        try:
            if call.attempt > limits.SCHEDULED_ATTEMPTS_MAX:
                raise _GivenUp("Whoever made this call died of it, each time.")
            await self._call(call, since)
            raise_if_cancelled()
        except LeaseLost:
            _log.warning("%s (%s) was not ours any more; another makes it.", *_who(call))
            return "lost"
        except Exception as error:  # noqa: BLE001  # whatever it raises is its outcome
            raise_if_cancelled()
            return await self._failed(call, explain(call.function, error))
        return "succeeded"

    async def _call(self, call: ScheduledCall, since: float) -> None:
        name, caller = call.function, caller_of(call.caller)
        function = self._runtime.catalog.get(name)
        assert function is not None, "only calls of known functions are claimed"
        arguments = orjson.loads(call.arguments)
        if function.kind == "mutation":

            async def delete(session: Session) -> None:
                if not await delete_claimed(session, call):
                    raise LeaseLost("Another process has taken this call.")

            lasts = limits.SCHEDULED_MUTATION_SECONDS_MAX
            async with kept(None, lasts, since):
                await self._runtime.apply(name, function, arguments, caller, delete)
            return

        async def renew() -> bool:
            return await self._calls.renew(call)

        async with kept(renew, limits.RUN_LEASE_SECONDS, since):
            await self._actions.run(name, function, arguments, caller)
        if not await self._calls.finish(call):
            raise LeaseLost("Another process has taken this call.")

    async def _failed(self, call: ScheduledCall, error: HeadwaterError) -> str:
        """Have it tried again, where that may help; else it has failed."""
        told = {"code": error.code, "message": error.message}
        refused = error.retry == "never" and not isinstance(error, Internal)
        last = call.attempt >= limits.SCHEDULED_ATTEMPTS_MAX
        try:
            if refused or last:
                _log.warning("%s (%s) has failed: %s", *_who(call), error.message)
                return "failed" if await self._calls.fail(call, told) else "lost"
            pause = limits.SCHEDULED_RETRY_SECONDS * 4 ** (call.attempt - 1)
            _log.warning("%s (%s) is tried again in %g s: %s", *_who(call), pause, error.message)
            return "retried" if await self._calls.retry(call, pause, told) else "lost"
        except PyMongoError as problem:  # its lease ends by itself
            raise_if_cancelled()
            _log.warning("%s (%s) is tried again (%s).", *_who(call), _named(problem))
            return "lost"


class _GivenUp(HeadwaterError):
    code = "given_up"


def _who(call: ScheduledCall) -> tuple[str, str]:
    return call.function, call.id


def caller_of(stored: str | None) -> Caller:
    """Who a call is for, from what is stored of it."""
    if stored is None:
        return ANONYMOUS
    caller: dict[str, Any] = orjson.loads(stored)
    return Caller(caller["id"], caller["claims"])


def _named(error: PyMongoError) -> str:
    """An error's type and number; its text can hold hosts and more."""
    code = getattr(error, "code", None)
    return type(error).__name__ + (f" {code}" if code else "")
