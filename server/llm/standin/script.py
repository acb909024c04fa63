"""What the stand-in is told to say: replies in order, each with its pace and its failure."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "CutShort",
    "Dropped",
    "ErrorEvent",
    "Failure",
    "Part",
    "Reply",
    "Script",
    "Stalled",
    "StatusError",
    "Text",
    "Thinking",
    "ToolUse",
]


@dataclass(frozen=True, slots=True)
class Thinking:
    """A thinking block; shown, kept back or left out as the request's ``thinking`` asks."""

    deltas: Sequence[str]


@dataclass(frozen=True, slots=True)
class Text:
    """A text block, sent in these pieces."""

    deltas: Sequence[str]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool."""

    name: str
    input: Mapping[str, Any]
    id: str | None = None
    """None makes one up."""
    deltas: Sequence[str] | None = None
    """The input's JSON in these pieces, broken if you like; None sends `input` in a few."""


Part: TypeAlias = Thinking | Text | ToolUse


@dataclass(frozen=True, slots=True)
class StatusError:
    """Refuse the request with a status, before anything is streamed."""

    status: int
    error_type: str
    message: str = "The script says no."
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Send an ``error`` event after so many deltas, then close."""

    after: int
    error_type: str = "overloaded_error"
    message: str = "Overloaded"


@dataclass(frozen=True, slots=True)
class CutShort:
    """End the response cleanly after so many deltas, without ``message_stop``."""

    after: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """Reset the TCP connection after so many deltas."""

    after: int


@dataclass(frozen=True, slots=True)
class Stalled:
    """Stop sending after so many deltas, with the connection open."""

    after: int
    until: asyncio.Event | None = None
    """Go on when this is set; None never goes on."""
    ping_interval_ms: int | None = None
    """Send a ``ping`` this often in the meantime; None is silent."""


Failure: TypeAlias = StatusError | ErrorEvent | CutShort | Dropped | Stalled


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply."""

    parts: Sequence[Part] = ()
    stop_reason: str | None = None
    """None is ``tool_use`` when there is a tool call, else ``end_turn``."""
    delay_ms: float = 0
    """Before the first delta."""
    delta_interval_ms: float = 0
    failure: Failure | None = None

    @property
    def ends_with(self) -> str:
        """The stop reason that is sent."""
        if self.stop_reason is not None:
            return self.stop_reason
        return "tool_use" if any(isinstance(part, ToolUse) for part in self.parts) else "end_turn"


class Script:
    """Replies waiting to be given, first in, first out; without any the stand-in improvises.

    A request that is refused as malformed uses up none.
    """

    def __init__(self, *replies: Reply) -> None:
        self._replies = deque(replies)

    def __len__(self) -> int:
        return len(self._replies)

    def add(self, *replies: Reply) -> None:
        """Queue more replies."""
        self._replies.extend(replies)

    def clear(self) -> None:
        """Forget the replies not yet given."""
        self._replies.clear()

    def take(self) -> Reply | None:
        """The next reply, or None to improvise."""
        return self._replies.popleft() if self._replies else None
