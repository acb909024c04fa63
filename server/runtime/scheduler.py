"""``ctx.scheduler``: calls of mutations and actions that are made later."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

import orjson
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from server.core import limits
from server.core.errors import InvalidArguments, NotInMemory, TooLarge, TooMany
from server.runtime.caller import ANONYMOUS, Caller
from server.runtime.functions import Function
from server.store import scheduled_calls
from server.store.writes import Session

__all__ = ["Scheduler", "Scheduling"]

R = TypeVar("R")


class _Do(Protocol):
    async def __call__(self, work: Callable[[Session], Awaitable[R]]) -> R:
        """Do one piece of work in a session."""
        ...


class Known(Protocol):
    """The functions of an application."""

    def get(self, name: str) -> Function[..., Any] | None:
        """The function of this wire name; None where there is none."""
        ...

    def name_of(self, function: Function[..., Any]) -> str | None:
        """The wire name of a function; None where it is not of these."""
        ...


class Scheduling:
    """What the schedulers of one process share.

    Args:
        known: What may be scheduled.
        in_memory: Whether the database is one in memory, where nothing can be scheduled.

    Attributes:
        stored: About how many calls the database held when somebody last looked.
        news: Set when a call was scheduled and is stored.
    """

    def __init__(self, known: Known, *, in_memory: bool = False) -> None:
        self.known = known
        self.in_memory = in_memory
        self.news = asyncio.Event()
        self._added = 0
        self._is_new = False
        self._stored = 0

    @property
    def stored(self) -> int:
        """About how many calls the database holds."""
        return self._stored + self._added

    @stored.setter
    def stored(self, count: int) -> None:
        self._stored, self._added = count, 0

    @property
    def is_uncertain(self) -> bool:
        """Whether so many were added, or there are so many, that they should be counted again."""
        most = limits.SCHEDULED_CALLS_MAX
        return self._added > most // 100 or self.stored >= most

    def added(self) -> None:
        """A call was scheduled; its transaction may still be rolled back."""
        self._added += 1
        self._is_new = True

    def committed(self) -> None:
        """Whatever was written is stored now, scheduled calls among it."""
        if self._is_new:
            self._is_new = False
            self.news.set()


class Scheduler:
    """Schedules calls, for the caller of the function that does.

    In a mutation that is part of its transaction: one that is rolled back has scheduled nothing.
    A mutation that was scheduled is applied exactly once, an action is made at least once. What
    fails is tried again, five times in all, unless it is refused: a NotFound, say, is final.
    """

    def __init__(self, do: _Do, scheduling: Scheduling, caller: Caller) -> None:
        self._do = do
        self._scheduling = scheduling
        self._caller = caller

    async def run_after(
        self, seconds: float, function: Function[..., Any] | str, /, **arguments: Any
    ) -> str:
        """Call `function` in `seconds`, by MongoDB's clock; gives the id of the scheduled call.

        Args:
            seconds: 0 for as soon as this is stored.
            function: A mutation or an action of the app, internal ones too, or its wire name.
            arguments: By Python's names. They are stored, and so must hold no secrets.

        Raises:
            InvalidArguments: They do not fit, or cannot be stored, or `seconds` is below 0 or
                more than a year.
            TooLarge: They take more than 64 KiB.
            TooMany: As many calls wait as may.
            TypeError: `function` cannot be scheduled.
        """
        if not 0 <= seconds <= limits.SCHEDULED_DELAY_SECONDS_MAX:
            raise _bad_time("run_after takes seconds from 0 to a year")
        return await self._schedule(seconds, function, arguments)

    async def run_at(
        self, when: datetime, function: Function[..., Any] | str, /, **arguments: Any
    ) -> str:
        """Call `function` at `when`, at once where that is over; the rest is as `run_after` says.

        Args:
            when: A time with its time zone, such as ``datetime.now(UTC)`` has.
            function: See `run_after`.
            arguments: See `run_after`.
        """
        if when.tzinfo is None:
            raise ValueError("run_at takes a datetime with its time zone; add tzinfo=UTC.")
        latest = datetime.now(UTC) + timedelta(seconds=limits.SCHEDULED_DELAY_SECONDS_MAX)
        if when > latest:
            raise _bad_time("run_at takes a time within a year")
        return await self._schedule(max(when, datetime.fromtimestamp(0, UTC)), function, arguments)

    async def cancel(self, id_: str) -> bool:
        """Take a scheduled call back; False where it has begun, is over, or never was.

        One that failed and waits to be tried again is taken back too.
        """
        return await self._do(lambda session: scheduled_calls.cancel(session, id_))

    async def _schedule(
        self,
        when: float | datetime,
        function: Function[..., Any] | str,
        arguments: Mapping[str, Any],
    ) -> str:
        if self._scheduling.in_memory:
            raise NotInMemory.of("calling functions later")
        name, found = _schedulable(self._scheduling.known, function)
        stored = _stored_arguments(name, found, arguments)
        caller = _stored_caller(self._caller)
        if len(stored) + len(caller or "") > limits.SCHEDULED_BYTES_MAX:
            raise TooLarge(
                f"{name} cannot be scheduled with arguments of more than "
                f"{limits.SCHEDULED_BYTES_MAX} bytes; store them in a document and give its id."
            )
        if self._scheduling.stored >= limits.SCHEDULED_CALLS_MAX:
            raise TooMany("As many calls are scheduled as may be; ask again later.")

        async def work(session: Session) -> str:
            id_ = await scheduled_calls.schedule(session, name, stored, caller, when)
            self._scheduling.added()
            return id_

        return await self._do(work)


def _bad_time(said: str) -> InvalidArguments:
    return InvalidArguments(
        f"{said}.", details=[{"argument": "seconds", "problem": "out of range"}]
    )


def _schedulable(
    known: Known, function: Function[..., Any] | str
) -> tuple[str, Function[..., Any]]:
    """The wire name and the function of what was given as either."""
    name = function if isinstance(function, str) else known.name_of(function)
    found = known.get(name) if name is not None else None
    if name is None or found is None:
        raise TypeError(
            f"{getattr(function, '__name__', function)!s:.100} is no function of this app; "
            "schedule one that its modules define."
        )
    if found.kind not in ("mutation", "action"):
        raise TypeError(f"{name} is a {found.kind}; only mutations and actions can be scheduled.")
    return name, found


def _stored_arguments(name: str, function: Function[..., Any], arguments: Mapping[str, Any]) -> str:
    """The arguments as JSON from which the same are read again.

    Raises:
        InvalidArguments: They do not fit, are secret, or have no such JSON.
    """
    wire_names = function.wire_names
    named = {wire_names.get(key, key): value for key, value in arguments.items()}
    parsed = function.parse(named, name)
    for key, value in parsed.items():
        if _holds_secret(value):
            argument = wire_names[key]
            raise _unstorable(
                name, argument, "it is declared a secret, and what is scheduled is stored"
            )
    try:
        given = function.arguments.model_validate(named)
        dumped = given.model_dump(mode="json", by_alias=True)
        encoded = orjson.dumps({key: dumped[key] for key in named})
        again = function.arguments.model_validate(orjson.loads(encoded))
        if any(getattr(given, one) != getattr(again, one) for one in given.model_fields_set):
            raise ValueError("They are not the same.")
    except Exception:  # noqa: BLE001  # a type of the application's own may raise anything
        raise _unstorable(name, ", ".join(named), "they cannot be written as JSON") from None
    return encoded.decode()


def _unstorable(name: str, argument: str, problem: str) -> InvalidArguments:
    return InvalidArguments(
        f"{name} cannot be scheduled with {argument}: {problem}. Schedule it with the id of "
        "something that the function can look up.",
        details=[{"argument": argument, "problem": problem}],
    )


def _stored_caller(caller: Caller) -> str | None:
    if caller == ANONYMOUS:
        return None
    return orjson.dumps({"id": caller.id, "claims": dict(caller.claims)}).decode()


def _holds_secret(value: Any) -> bool:
    match value:
        case SecretStr() | SecretBytes() | Secret():
            return True
        case BaseModel():
            inner = list(value.__dict__.values())
        case Mapping():
            items = cast("Mapping[Any, Any]", value).items()
            inner = [one for pair in items for one in pair]
        case list() | tuple() | set() | frozenset():
            inner = list(cast("Any", value))
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = [getattr(value, one.name) for one in dataclasses.fields(value)]
        case _:
            return False
    return any(map(_holds_secret, inner))
