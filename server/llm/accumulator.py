"""Turns Claude's stream events into ours, keeping each content block as it was written.

Pure: no clock, no socket. Every raw event is read as plain JSON, so an event, block or delta type
newer than this code, or one with fields missing, falls through the patterns below and harms
nothing: its block is still carried verbatim.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import jiter

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

__all__ = ["Accumulator"]

_HIGH_MIN, _HIGH_MAX = "\ud800", "\udbff"
_KINDS: dict[str, PartKind] = {
    "text": "text",
    "thinking": "reasoning",
    "tool_use": "tool-call",
}


class Accumulator:
    """One reply, from its first raw event to its last.

    Args:
        request_id: The ``request-id`` header of the response, passed on in the events.
    """

    def __init__(self, request_id: str | None = None) -> None:
        self._request_id = request_id
        self._message_id = ""
        self._model = ""
        self._usage = Usage()
        self._stop_reason = "unknown"
        self._refusal: str | None = None
        self._open: dict[int, _OpenBlock] = {}
        self._closed: dict[int, Block] = {}
        self._is_complete = False

    @property
    def is_complete(self) -> bool:
        """Whether ``message_stop`` has arrived; a stream that ends without it was cut."""
        return self._is_complete

    @property
    def content(self) -> tuple[Block, ...]:
        """The blocks completed so far, verbatim, by ascending index."""
        return tuple(self._closed[index] for index in sorted(self._closed))

    def feed(self, raw: dict[str, Any]) -> list[Event]:
        """Take the next event, and give what it means, often nothing, in order."""
        if raw.get("type") == "content_block_delta":  # nearly all of them
            return self._extend(raw)
        return list(self._read(raw))

    def _extend(self, raw: dict[str, Any]) -> list[Event]:
        index, delta = raw.get("index"), raw.get("delta")
        if not isinstance(index, int) or not isinstance(delta, dict):
            return []
        block = self._open.get(index)
        return [] if block is None else block.extend(index, cast("dict[str, Any]", delta))

    def _read(self, raw: dict[str, Any]) -> Iterator[Event]:
        match raw:
            case {"type": "message_start", "message": {"id": str(message_id), **message}}:
                self._message_id = message_id
                self._model = str(message.get("model", ""))
                yield ReplyBegun(self._message_id, self._model, self._request_id)
                yield from self._count(message.get("usage"))
            case {"type": "content_block_start", "index": int(index), "content_block": dict()}:
                yield self._begin(index, raw["content_block"])
            case {"type": "content_block_stop", "index": int(index)}:
                if (block := self._open.pop(index, None)) is not None:
                    yield from block.rest(index)
                    ended = block.end(index)
                    self._closed[index] = ended.block
                    yield ended
            case {"type": "message_delta"}:
                self._note_stop(raw)
                yield from self._count(raw.get("usage"))
            case {"type": "message_stop"}:
                self._is_complete = True
                yield self._end()
            case _:
                pass

    def _begin(self, index: int, written: dict[str, Any]) -> PartBegun:
        kind = _KINDS.get(str(written.get("type")), "other")
        self._open[index] = _OpenBlock(kind, written)
        if kind != "tool-call":
            return PartBegun(index, kind)
        return PartBegun(index, kind, str(written.get("id", "")), str(written.get("name", "")))

    def _count(self, counted: object) -> Iterator[Usage]:
        if not isinstance(counted, dict):
            return
        counts = cast("dict[str, Any]", counted)
        details = counts.get("output_tokens_details")
        if isinstance(details, dict):
            counts = counts | cast("dict[str, Any]", details)
        # Only what is said is overwritten: `message_delta` may leave the input's counts out.
        said = {
            name: count
            for name in Usage.__dataclass_fields__
            if isinstance(count := counts.get(name), int)
        }
        self._usage = replace(self._usage, **said)
        yield self._usage

    def _note_stop(self, raw: dict[str, Any]) -> None:
        match raw:
            case {"delta": {"stop_reason": str(reason)}}:
                self._stop_reason = reason
            case _:
                pass
        match raw:
            case {"delta": {"stop_details": {"explanation": str(explanation)}}}:
                self._refusal = explanation
            case _:
                pass

    def _end(self) -> Ended:
        return Ended(
            stop_reason=self._stop_reason,
            usage=self._usage,
            message_id=self._message_id,
            model=self._model,
            request_id=self._request_id,
            content=self.content,
            refusal=self._refusal,
        )


@dataclass(slots=True)
class _OpenBlock:
    """A block being written: as it began, and the pieces that have come since."""

    kind: PartKind
    written: dict[str, Any]
    pieces: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By field; joined once, at the end, so a long reply costs what it is long."""
    citations: list[Any] = field(default_factory=list[Any])
    half: dict[str, str] = field(default_factory=dict[str, str])
    """By field; the first half of a character whose second half is still to come."""

    def extend(self, index: int, delta: dict[str, Any]) -> list[Event]:
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                return self._grow(index, "text", text)
            case {"type": "thinking_delta", "thinking": str(text)}:
                return self._grow(index, "thinking", text)
            case {"type": "signature_delta", "signature": str(signature)}:
                self.written["signature"] = signature
            case {"type": "input_json_delta", "partial_json": str(piece)} if piece:
                self.pieces.setdefault("input", []).append(piece)
                if self.kind == "tool-call":
                    return [ToolInputDelta(index, piece)]
            case {"type": "citations_delta", "citation": citation}:
                self.citations.append(citation)
            case _:
                pass
        return []

    def rest(self, index: int) -> Iterator[Event]:
        """What was held back for a second half that never came."""
        for name in list(self.half):
            yield from self._grow(index, name, "", is_last=True)

    def _grow(self, index: int, name: str, text: str, *, is_last: bool = False) -> list[Event]:
        if self.half:
            text = self.half.pop(name, "") + text
        if not is_last and _HIGH_MIN <= text[-1:] <= _HIGH_MAX:
            text, self.half[name] = text[:-1], text[-1]
        if not text:
            return []
        text = _encodable(text)
        self.pieces.setdefault(name, []).append(text)
        if self.kind == "text" and name == "text":
            return [TextDelta(index, text)]
        if self.kind == "reasoning" and name == "thinking":
            return [ReasoningDelta(index, text)]
        return []

    def end(self, index: int) -> PartEnded:
        is_whole = True
        if self.citations:
            self.written["citations"] = self.citations
        for name, pieces in self.pieces.items():
            text = "".join(pieces)
            if name == "input":
                value = _json_object(text)
                is_whole = value is not None
                self.written["input"] = value if value is not None else _as_far_as_it_came(text)
            else:
                self.written[name] = str(self.written.get(name) or "") + text
        return PartEnded(index, self.kind, self.written, is_whole)


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _as_far_as_it_came(text: str) -> dict[str, Any]:
    """The complete members of a JSON object that was cut, as the SDK's own accumulator has them."""
    try:
        value: object = jiter.from_json(text.encode(errors="replace"), partial_mode=True)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _encodable(text: str) -> str:
    """`text` with halves of one character joined, and lone ones replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
