"""A stand-in for Claude's Messages API: the same wire, the same refusals, and no key needed."""

from server.llm.standin.app import create_standin
from server.llm.standin.requests import ReceivedRequest
from server.llm.standin.script import (
    CutShort,
    Dropped,
    ErrorEvent,
    Reply,
    Script,
    Stalled,
    StatusError,
    Text,
    Thinking,
    ToolUse,
)
from server.llm.standin.server import StandinServer, run_standin

__all__ = [
    "CutShort",
    "Dropped",
    "ErrorEvent",
    "ReceivedRequest",
    "Reply",
    "Script",
    "Stalled",
    "StandinServer",
    "StatusError",
    "Text",
    "Thinking",
    "ToolUse",
    "create_standin",
    "run_standin",
]
