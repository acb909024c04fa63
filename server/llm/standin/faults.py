"""How a scripted reply goes wrong: refused, cut, dropped, broken, stalled, at any event."""

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "BROKEN_EVENT",
    "CutShort",
    "Dropped",
    "ErrorEvent",
    "Failure",
    "Malformed",
    "Stalled",
    "StatusError",
]


BROKEN_EVENT = b'event: content_block_delta\ndata: {"type": "content_bl\n\n'
"""An event whose data is not JSON."""


@dataclass(frozen=True, slots=True)
class StatusError:
    """Refuse the request with a status, before anything is streamed."""

    status: int
    error_type: str
    message: str = "The script says no."
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _AtEvent:
    """A failure in mid-stream: after so many deltas, or in place of one event."""

    after: int = 0
    """Deltas sent before it, those of signatures not counted; no matter if `at_event` is set."""
    at_event: int | None = field(default=None, kw_only=True)
    """Events sent before it, pings counted: 0 comes before ``message_start``. A number past the
    last event comes after it."""


@dataclass(frozen=True, slots=True)
class ErrorEvent(_AtEvent):
    """Send an ``error`` event, then close."""

    error_type: str = "overloaded_error"
    message: str = "Overloaded"


@dataclass(frozen=True, slots=True)
class CutShort(_AtEvent):
    """End the response cleanly, without ``message_stop``."""

    bytes_of_next: int = 0
    """So many bytes of the next event are still sent."""


@dataclass(frozen=True, slots=True)
class Dropped(_AtEvent):
    """Reset the TCP connection."""

    bytes_of_next: int = 0
    """So many bytes of the next event are still sent, and may or may not arrive."""


@dataclass(frozen=True, slots=True)
class Malformed(_AtEvent):
    """Send what is not the protocol, then close."""

    data: bytes = BROKEN_EVENT


@dataclass(frozen=True, slots=True)
class Stalled(_AtEvent):
    """Stop sending, with the connection open."""

    until: asyncio.Event | None = None
    """Go on when this is set; None goes on when `for_ms` have passed, else never."""
    ping_interval_ms: int | None = None
    """Send a ``ping`` this often in the meantime; None is silent."""
    for_ms: float | None = None


Failure: TypeAlias = StatusError | ErrorEvent | CutShort | Dropped | Malformed | Stalled
