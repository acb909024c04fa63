"""What the stand-in is told to say: replies in order, each with its pace and its failure."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from server.llm.standin.faults import Failure
from server.llm.standin.recording import Replay

__all__ = [
    "Block",
    "Part",
    "Reply",
    "Script",
    "Text",
    "Thinking",
    "ToolUse",
    "Turn",
]


@dataclass(frozen=True, slots=True)
class Thinking:
    """A thinking block; shown, kept back or left out as the request's ``thinking`` asks."""

    deltas: Sequence[str]


@dataclass(frozen=True, slots=True)
class Text:
    """A text block, sent in these pieces."""

    deltas: Sequence[str]
    citations: Sequence[Mapping[str, Any]] = ()
    """Each is sent as a ``citations_delta`` after the text: ``{"type": "char_location", …}``."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool."""

    name: str
    input: Mapping[str, Any]
    id: str | None = None
    """None makes one up."""
    deltas: Sequence[str] | None = None
    """The input's JSON in these pieces, broken if you like; None sends `input` in a few."""


@dataclass(frozen=True, slots=True)
class Block:
    """A content block of any other kind, sent as it is written here."""

    start: Mapping[str, Any]
    """The ``content_block`` of its ``content_block_start``: ``{"type": "server_tool_use", …}``."""
    deltas: Sequence[Mapping[str, Any]] = ()
    """The ``delta`` of each ``content_block_delta``."""


Part: TypeAlias = Thinking | Text | ToolUse | Block


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply."""

    parts: Sequence[Part] = ()
    stop_reason: str | None = None
    """None is ``tool_use`` when there is a tool call, else ``end_turn``. ``pause_turn``,
    ``max_tokens``, ``refusal`` and the others are sent as they are."""
    delay_ms: float = 0
    """Before the first delta."""
    delta_interval_ms: float | None = None
    """Between deltas; None is the stand-in's own pace for scripts, none unless it was given one."""
    failure: Failure | None = None
    usage: Mapping[str, Any] | None = None
    """Fields of the usage, in the API's names, that replace what is counted."""
    refusal: str | None = "The stand-in was told to refuse."
    """The explanation that goes with ``refusal``."""

    @property
    def ends_with(self) -> str:
        """The stop reason that is sent."""
        if self.stop_reason is not None:
            return self.stop_reason
        return "tool_use" if any(isinstance(part, ToolUse) for part in self.parts) else "end_turn"


Turn: TypeAlias = Reply | Replay


class Script:
    """Turns waiting to be given, first in, first out; without any the stand-in improvises.

    A request that is refused as malformed uses up none.

    Args:
        turns: What to say, in order.
        respond: Asked first, with the request's body; what it returns is said, and None leaves
            the turn to the queue. For many conversations at once, whose order nobody knows.
        loop: Whether a turn goes to the end of the queue once it is given, to be given again.
    """

    def __init__(
        self,
        *turns: Turn,
        respond: Callable[[dict[str, Any]], Turn | None] | None = None,
        loop: bool = False,
    ) -> None:
        self.respond = respond
        self.loop = loop
        self._turns = deque(turns)

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, *turns: Turn) -> None:
        """Queue more turns."""
        self._turns.extend(turns)

    def clear(self) -> None:
        """Forget the turns not yet given, and `respond`."""
        self._turns.clear()
        self.respond = None

    def take(self, body: dict[str, Any] | None = None) -> Turn | None:
        """The turn that answers the request `body`, or None to improvise."""
        if self.respond is not None and (turn := self.respond(body or {})) is not None:
            return turn
        if not self._turns:
            return None
        turn = self._turns.popleft()
        if self.loop:
            self._turns.append(turn)
        return turn
