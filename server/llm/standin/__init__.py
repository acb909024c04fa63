"""A stand-in for Claude's Messages API: the same wire, the same refusals, and no key needed."""

from server.llm.standin.app import create_standin
from server.llm.standin.faults import (
    CutShort,
    Dropped,
    ErrorEvent,
    Malformed,
    Stalled,
    StatusError,
)
from server.llm.standin.recording import RecordingError, Replay, load_replays
from server.llm.standin.requests import ReceivedRequest
from server.llm.standin.script import Block, Reply, Script, Text, Thinking, ToolUse
from server.llm.standin.script_file import ScriptError, load_script
from server.llm.standin.server import StandinServer, run_standin
from server.llm.standin.thread import ClaudeStandin

__all__ = [
    "Block",
    "ClaudeStandin",
    "CutShort",
    "Dropped",
    "ErrorEvent",
    "Malformed",
    "ReceivedRequest",
    "RecordingError",
    "Replay",
    "Reply",
    "Script",
    "ScriptError",
    "Stalled",
    "StandinServer",
    "StatusError",
    "Text",
    "Thinking",
    "ToolUse",
    "create_standin",
    "load_replays",
    "load_script",
    "run_standin",
]
