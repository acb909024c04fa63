"""The events of one reply, as the rest of the house sees them.

A reply is told in this order::

    Retrying*  ReplyBegun  Usage
    ( PartBegun  (TextDelta | ReasoningDelta | ToolInputDelta)*  PartEnded )*
    Usage  Ended

Every event of a part carries the part's `index`; parts begin in ascending order. A reply that
fails ends in a `ClaudeError` in place of `Ended`, and what came before it stands: each `PartEnded`
is whole and may go into a transcript, a part without one may not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = [
    "Block",
    "Ended",
    "Event",
    "PartBegun",
    "PartEnded",
    "PartKind",
    "ReasoningDelta",
    "ReplyBegun",
    "Retrying",
    "TextDelta",
    "ToolInputDelta",
    "Usage",
]

Block: TypeAlias = Mapping[str, Any]
"""A content block exactly as Claude's API wrote it, signatures included: what must be sent back."""

PartKind: TypeAlias = Literal["text", "reasoning", "tool-call", "other"]
"""What a part is to a reader. ``other`` is everything we do not show (redacted thinking, a block
type newer than this code): it has no deltas, and its block is carried verbatim all the same."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """The request was turned away before the reply began, and is made again after a pause."""

    attempt: int
    """How many times it was made so far."""
    delay_ms: float
    code: str
    """Of the error with which it was turned away."""


@dataclass(frozen=True, slots=True)
class ReplyBegun:
    """Claude has accepted the request and begun."""

    message_id: str
    model: str
    """The model that answers, as the service names it."""
    request_id: str | None
    """The service's name for this call, for a question to Anthropic."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens used so far: cumulative, so the last one counts and none are added up."""

    input_tokens: int = 0
    """Input neither read from the prompt cache nor written to it."""
    output_tokens: int = 0
    """Output, thinking included."""
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    thinking_tokens: int = 0
    """The part of `output_tokens` spent on thinking; 0 where the service does not say."""

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt, cached or not."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt and output together."""
        return self.prompt_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class PartBegun:
    """A part of the reply begins."""

    index: int
    kind: PartKind
    tool_call_id: str | None = None
    """Set on a ``tool-call``, as is `tool_name`."""
    tool_name: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The text of a ``text`` part grows by `text`, which is never empty."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The summarised thinking of a ``reasoning`` part grows by `text`, which is never empty."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolInputDelta:
    """The input of a ``tool-call`` grows by a piece of JSON that need not be valid by itself."""

    index: int
    partial_json: str


@dataclass(frozen=True, slots=True)
class PartEnded:
    """A part is complete."""

    index: int
    kind: PartKind
    block: Block
    is_whole: bool = True
    """False for a tool call whose input is not a JSON object (`block` then has what of it was
    complete). True is
    not yet leave to run it: input cut by ``max_tokens`` may read as ``{}``, so run a tool only
    when the reply ended with ``tool_use`` and its input fits the tool's schema."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The reply is complete: ``message_stop`` has arrived."""

    stop_reason: str
    """``end_turn``, ``max_tokens``, ``stop_sequence``, ``tool_use``, ``pause_turn`` (send `content`
    back unchanged), ``refusal`` (take back what was shown), ``model_context_window_exceeded``, a
    reason newer than this code, or ``unknown`` when the service gave none."""
    usage: Usage
    message_id: str
    model: str
    request_id: str | None
    content: tuple[Block, ...] = ()
    """The reply's blocks, verbatim and in order: the assistant's turn in the transcript."""
    refusal: str | None = None
    """Why the reply was refused, in the service's words, where it says."""


Event: TypeAlias = (
    Retrying
    | ReplyBegun
    | Usage
    | PartBegun
    | TextDelta
    | ReasoningDelta
    | ToolInputDelta
    | PartEnded
    | Ended
)
