"""The parts of a message that one attempt at a reply adds: heard, and told as updates.

Pure: what is to be written comes out as fields by their places; who writes says what is stored.
"""

from dataclasses import dataclass, field
from typing import Any

import pydantic_core

from schemas.chat_messages import ChatMessage
from server.functions.message_part import MessagePart
from server.functions.storable_json import storable_json
from server.llm import PartBegun, PartEnded

__all__ = ["Gathered", "MessageParts"]

MESSAGE_CHARS_MAX = 4_000_000
"""What a message may hold, far enough from MongoDB's 16 MB that its ending can be written."""


@dataclass
class Gathered:
    """What has gathered since the last write.

    Attributes:
        fields: What is set, by its place.
        pushed: The chunks that are appended to texts that are there.
        written: Of each part how much of it this is, for `MessageParts.stored`.
    """

    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    pushed: dict[str, str] = field(default_factory=dict[str, str])
    written: list[tuple[MessagePart, int, dict[str, Any], bool]] = field(
        default_factory=list[tuple[MessagePart, int, dict[str, Any], bool]]
    )


class MessageParts:
    """The parts of one attempt, behind those that the message had.

    Args:
        message: The message, as the attempt found it.
    """

    def __init__(self, message: ChatMessage) -> None:
        self._first_part = len(message.parts)
        self._is_resumed = message.attempts > 1 and bool(message.parts)
        self._parts: list[MessagePart] = []
        self._part_of: dict[int, MessagePart] = {}
        self._broken: dict[str, tuple[MessagePart, dict[str, Any]]] = {}
        self._chars = len(pydantic_core.to_json(message.parts)) if message.parts else 0
        self._thinking_known = True

    @property
    def is_too_long(self) -> bool:
        """Whether the message holds more than it may."""
        return self._chars > MESSAGE_CHARS_MAX

    def in_place(self) -> dict[str, Any]:
        """What a filter adds to say that the stored parts are where they were left."""
        last = self._last_stored
        return {} if last is None else {f"parts.{last}": {"$exists": True}}

    def missing(self) -> dict[str, Any]:
        """The contrary; no message where none was stored."""
        last = self._last_stored
        return {"_id": None} if last is None else {f"parts.{last}": {"$exists": False}}

    @property
    def _last_stored(self) -> int | None:
        count = self._first_part + sum(part.exists for part in self._parts)
        return count - 1 if count else None

    # --- hearing -------------------------------------------------------------------------------

    def begin_step(self) -> int:
        """Another request is answered from here on; the place of its first part."""
        self._part_of = {}
        self._broken = {}
        self._thinking_known = True
        return self._first_part + len(self._parts)

    def begin(self, event: PartBegun) -> None:
        """A part begins."""
        match event.kind:
            case "text" | "reasoning":
                part = MessagePart({"type": event.kind}, "text")
            case "tool-call":
                call = {"toolCallId": event.tool_call_id, "toolName": event.tool_name}
                part = MessagePart({"type": "tool-call", **call}, "argsText")
            case _:
                self._thinking_known = False  # a block that the parts cannot tell of
                return
        self._add(part)
        self._part_of[event.index] = part

    def grow(self, index: int, text: str) -> None:
        """The text of a part grows."""
        self._part_of[index].waiting.append(text)
        self._chars += len(text)

    def close(self, event: PartEnded) -> bool:
        """A part is complete; whether that is to be written."""
        part = self._part_of.get(event.index)
        if part is None:
            return False
        block = event.block
        if event.kind == "reasoning" and self._thinking_known and block.get("signature"):
            part.closing["signature"] = block["signature"]
        elif event.kind == "tool-call" and event.is_whole:
            part.closing["args"] = storable_json(block["input"])
        elif event.kind == "tool-call":
            self._broken[str(block["id"])] = part, storable_json(block["input"])
        elif event.kind == "text" and block.get("citations"):
            part.closing["citations"] = storable_json(block["citations"])
        return bool(part.closing)

    def close_broken(self) -> set[str]:
        """The calls of this step whose arguments are no object, which are complete only now.

        Not sooner: a reply that is cut would have them run.
        """
        for part, args in self._broken.values():
            part.closing["args"] = args
        return set(self._broken)

    def add_result(self, tool_call_id: str, result: Any, error: str | None) -> None:
        """A tool has answered. Where the message has no room, the call's own document shows it."""
        fields: dict[str, Any] = {"type": "tool-result", "toolCallId": tool_call_id}
        size = len(pydantic_core.to_json(result))
        if self._chars + size > MESSAGE_CHARS_MAX:
            result = f"[{size} bytes, which the message has no room to show]"
        else:
            self._chars += size
        shown = {"result": error, "isError": True} if error is not None else {"result": result}
        self._add(MessagePart({**fields, **shown}, None))

    def take_back(self) -> None:
        """Nothing of it was said."""
        self._parts = []
        self._chars = 0

    def _add(self, part: MessagePart) -> None:
        if self._is_resumed and not self._parts:
            part.fields["seam"] = True
        self._parts.append(part)

    # --- what is to be written -----------------------------------------------------------------

    def gathered(self, *, again: bool) -> Gathered:
        """What has gathered.

        Args:
            again: Whole texts instead of chunks: a write before, whose outcome is not known, may
                have written some.
        """
        found = Gathered()
        for place, part in enumerate(self._parts):
            follows = any(later.exists or later.has_news for later in self._parts[place + 1 :])
            if not part.has_news and (part.exists or not follows):
                continue  # one that is empty is written before what follows it: no gap in the list
            at = f"parts.{self._first_part + place}"
            whole = again or part.is_due
            found.written.append((part, len(part.waiting), dict(part.closing), whole))
            text = "".join(part.waiting)
            if not part.exists:
                found.fields[at] = part.whole()
                continue
            found.fields |= {f"{at}.{name}": value for name, value in part.closing.items()}
            if whole:
                found.fields[f"{at}.{part.name}"] = [part.whole_text()]
            elif text:
                found.pushed[f"{at}.{part.name}"] = text
        return found

    def stored(self, gathered: Gathered) -> None:
        """It has been written."""
        for part, count, closed, whole in gathered.written:
            part.written(count, closed, whole=whole)

    def rest(self, *, is_end: bool) -> dict[str, Any]:
        """What is not stored yet; at the end, every text as one chunk."""
        fields: dict[str, Any] = {}
        for place, part in enumerate(self._parts):
            at = f"parts.{self._first_part + place}"
            if not part.exists:
                fields[at] = part.whole()
            elif part.has_news or (is_end and part.chunks > 1):
                whole = part.whole()
                names = [*part.closing, *((part.name,) if part.name is not None else ())]
                fields |= {f"{at}.{name}": whole[name] for name in names}
        return fields

    def settled(self) -> None:
        """Everything heard so far is stored."""
        for part in self._parts:
            whole = not part.exists or part.has_news
            part.written(len(part.waiting), dict(part.closing), whole=whole)
