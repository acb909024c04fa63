"""Claude: one request in, the events of one reply out, and a stand-in for when there is no key."""

from server.llm.accumulator import Accumulator
from server.llm.claude import CLAUDE_BASE_URL, Claude, ClaudeLimits
from server.llm.errors import (
    ClaudeError,
    KeyMissing,
    KeyRefused,
    ModelRetired,
    ModelUnknown,
    Overloaded,
    RateLimited,
    RequestRefused,
    StreamCut,
    TimedOut,
    Unreachable,
)
from server.llm.events import (
    Block,
    Ended,
    Event,
    PartBegun,
    PartEnded,
    PartKind,
    ReasoningDelta,
    ReplyBegun,
    TextDelta,
    ToolInputDelta,
    Usage,
)
from server.llm.models import DEFAULT_MODEL, KNOWN_MODELS, OUTPUT_TOKENS_DEFAULT, Model, find_model
from server.llm.request import ChatRequest, ChatTool, ChatTurn

__all__ = [
    "CLAUDE_BASE_URL",
    "DEFAULT_MODEL",
    "KNOWN_MODELS",
    "OUTPUT_TOKENS_DEFAULT",
    "Accumulator",
    "Block",
    "ChatRequest",
    "ChatTool",
    "ChatTurn",
    "Claude",
    "ClaudeError",
    "ClaudeLimits",
    "Ended",
    "Event",
    "KeyMissing",
    "KeyRefused",
    "Model",
    "ModelRetired",
    "ModelUnknown",
    "Overloaded",
    "PartBegun",
    "PartEnded",
    "PartKind",
    "RateLimited",
    "ReasoningDelta",
    "ReplyBegun",
    "RequestRefused",
    "StreamCut",
    "TextDelta",
    "TimedOut",
    "ToolInputDelta",
    "Unreachable",
    "Usage",
    "find_model",
]
