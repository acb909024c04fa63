"""The next request of a conversation, built from the record of all that was said before.

Entries are only ever added, and each request repeats those before it byte for byte: so thinking
blocks stay valid, and the prompt cache holds. Where something before them had to change (another
model, system prompt or tools, or a beginning that has become too long), a new *base* says so, and
thinking from before it stays behind.

Pure: entries in, a request out.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from server.llm.events import Block
from server.llm.request import ChatRequest, ChatTool, ChatTurn

__all__ = [
    "Base",
    "Entry",
    "build_request",
    "continuation",
    "last_turns",
    "sendable",
    "tool_result",
    "tool_uses",
    "turns_of",
]

Kind = Literal["base", "prompt", "reply", "results", "cut", "continue", "retracted"]
_THINKING = {"thinking", "redacted_thinking"}
_QUOTED_CHARS_MAX = 400
_LEFT_OFF = {"type": "text", "text": "(The reply ended here.)"}
_ENTRY_BYTES = 200
_RESULT_CHARS_MAX = 200_000


@dataclass(frozen=True)
class Entry:
    """One entry of a transcript.

    Attributes:
        kind: What it is.
        content: The JSON text of a turn's blocks; of a base, of its settings.
        message_id: The message that it belongs to.
        number: Its place; 0 while it is not stored.
        stop_reason: Of a reply, why it ended.
    """

    kind: Kind
    content: str
    message_id: str | None = None
    number: int = 0
    stop_reason: str | None = None

    @classmethod
    def of(
        cls,
        kind: Kind,
        blocks: Sequence[Block],
        message_id: str | None = None,
        stop_reason: str | None = None,
    ) -> "Entry":
        """An entry of blocks, not stored yet."""
        content = json.dumps(list(blocks), ensure_ascii=False).encode(errors="replace").decode()
        return cls(kind, content, message_id, stop_reason=stop_reason)

    @property
    def role(self) -> Literal["user", "assistant"] | None:
        """Whose turn it is; None where it is nobody's."""
        match self.kind:
            case "prompt" | "results" | "continue":
                return "user"
            case "reply" | "cut":
                return "assistant"
            case "base" | "retracted":
                return None

    @property
    def size(self) -> int:
        """About how many bytes it is in a request."""
        return len(self.content) + _ENTRY_BYTES

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The content blocks of a turn."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Base:
    """What all requests from some entry on have in common.

    Attributes:
        model: The model.
        system: The system prompt.
        tools: The tools, in the API's own form.
        first: The first entry that goes along.
        thinking_from: Thinking of earlier entries stays behind.
    """

    model: str
    system: str | None = None
    tools: tuple[ChatTool, ...] = ()
    first: int = 0
    thinking_from: int = 0

    def entry(self) -> Entry:
        """It, as an entry."""
        settings = {
            "model": self.model, "system": self.system, "tools": list(self.tools),
            "first": self.first, "thinkingFrom": self.thinking_from,
        }  # fmt: skip
        return Entry("base", json.dumps(settings, ensure_ascii=False))

    @classmethod
    def read(cls, entry: Entry) -> "Base":
        """The base that an entry says."""
        said = json.loads(entry.content)
        return cls(
            said["model"], said["system"], tuple(said["tools"]), said["first"],
            said["thinkingFrom"],
        )  # fmt: skip

    def same_but_range(self, other: "Base") -> bool:
        """Whether requests of both begin alike."""
        return (self.model, self.system, self.tools) == (other.model, other.system, other.tools)


@dataclass
class _Turn:
    role: Literal["user", "assistant"]
    blocks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def turns_of(entries: Iterable[Entry], base: Base) -> list[ChatTurn]:
    """The turns that `base` sends of `entries`, which are in order.

    Entries of one role that follow one another become one turn, as the API would make of them. But
    a prompt after the results of tools that nobody went on from gets a turn of the assistant before
    it: else the service would take the calls for still open, and want their thinking unchanged.
    """
    known = [entry for entry in entries if entry.number >= base.first]
    retracted = {entry.message_id for entry in known if entry.kind == "retracted"}
    turns: list[_Turn] = []
    said: Kind | None = None
    for entry in known:
        if entry.role is None or entry.message_id in retracted:
            continue
        blocks = entry.blocks
        if entry.number < base.thinking_from:
            blocks = [block for block in blocks if block["type"] not in _THINKING]
        if entry.role == "assistant" and entry.stop_reason != "pause_turn":
            blocks = sendable(blocks)
        if not blocks or (not turns and entry.role == "assistant"):
            continue
        if entry.kind == "prompt" and said == "results":
            turns.append(_Turn("assistant", [dict(_LEFT_OFF)]))
        said = entry.kind
        if turns and turns[-1].role == entry.role:
            turns[-1].blocks += blocks
        else:
            turns.append(_Turn(entry.role, blocks))
    return [{"role": turn.role, "content": turn.blocks} for turn in turns]


def build_request(
    entries: Iterable[Entry], base: Base, *, max_tokens: int | None = None
) -> ChatRequest:
    """The request that comes next."""
    return ChatRequest(
        messages=turns_of(entries, base),
        model=base.model,
        system=base.system,
        max_tokens=max_tokens,
        tools=base.tools,
        cache=True,
    )


def last_turns(entries: Sequence[Entry], bytes_max: int) -> int:
    """The number of the prompt from which on `entries` fit into `bytes_max`; the last at worst."""
    size, first = 0, 0
    for entry in reversed(entries):
        size += entry.size
        if size > bytes_max and first:
            break
        if entry.kind == "prompt":
            first = entry.number
    return first


# --- replies that were cut ----------------------------------------------------------------------


def sendable(blocks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of a reply, the complete blocks that may be sent back as an assistant's turn.

    Text of nothing but white space is refused by the API, and so is thinking at the end. Thinking
    is bound to all that was said before it, so none goes after a text that was left out.
    """
    kept: list[dict[str, Any]] = []
    is_whole = True
    for block in blocks:
        if block["type"] == "text" and not str(block["text"]).strip():
            is_whole = False
        elif is_whole or block["type"] not in _THINKING:
            kept.append(block)
    while kept and kept[-1]["type"] in _THINKING:
        kept.pop()
    return kept


def tool_uses(blocks: Iterable[Block]) -> list[Block]:
    """The calls of tools among `blocks`."""
    return [block for block in blocks if block["type"] == "tool_use"]


def continuation(blocks: Sequence[Block]) -> Block:
    """The words that ask Claude to go on after `blocks`, which end in text.

    Models since 4.6 refuse an assistant's turn at the end, so the user's turn quotes it.
    """
    text = "".join(str(block["text"]) for block in blocks if block["type"] == "text")
    return {
        "type": "text",
        "text": "Your reply was cut off. It ended with these words:\n\n"
        f"{json.dumps(text[-_QUOTED_CHARS_MAX:], ensure_ascii=False)}\n\n"
        "Go on from exactly there, in the middle of the word or sentence if need be, as if "
        "nothing had happened: repeat nothing, and do not mention the interruption.",
    }


def tool_result(tool_use_id: str, result: Any, error: str | None) -> Block:
    """What goes back to Claude of one call; a str as it is, anything else as JSON, and bounded."""
    text = error if error is not None else _said(result)
    if len(text) > _RESULT_CHARS_MAX:
        left_out = len(text) - _RESULT_CHARS_MAX
        text = f"{text[:_RESULT_CHARS_MAX]}\n[{left_out} more characters were left out]"
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": tool_use_id}
    if text.strip():
        block["content"] = text
    return {**block, "is_error": True} if error is not None else block


def _said(result: Any) -> str:
    if result is None:
        return ""
    return result if isinstance(result, str) else json.dumps(result, default=str)
