"""One reply as the API writes it: a sequence of server-sent events, or one message.

Pure. The order is ``message_start``, ``ping``, then each block by ascending index
(``content_block_start``, its deltas, ``content_block_stop``), ``message_delta`` with the usage of
the whole reply, ``message_stop``.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from server.llm.standin.caching import PromptTokens
from server.llm.standin.recording import Frame, extended
from server.llm.standin.script import Block, Part, Reply, Text, Thinking, ToolUse
from server.llm.standin.signature import Prefix

__all__ = ["Answer", "WireEvent", "framed"]

_JSON_PIECE_CHARS = 12
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One server-sent event; its name is its data's ``type``."""

    data: dict[str, Any]


_PING = WireEvent({"type": "ping"})


def framed(event: WireEvent) -> Frame:
    """The event as it goes over the wire."""
    kind = event.data["type"]
    data = b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(event.data))
    return Frame(data, kind, event.data)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply fitted to the request that it answers."""

    message_id: str
    model: str
    reply: Reply
    body: dict[str, Any] = field(repr=False)
    """The request."""
    prompt: PromptTokens = field(default_factory=lambda: PromptTokens(0))
    """How its prompt is counted."""

    @property
    def parts(self) -> list[Part]:
        """The reply's parts without the thinking that the request turned off."""
        is_on = self._thinking().get("type") in {"adaptive", "enabled"}
        return [part for part in self.reply.parts if is_on or not isinstance(part, Thinking)]

    def events(self) -> Iterator[WireEvent]:
        """The stream."""
        yield WireEvent(
            {"type": "message_start", "message": self._message([], None, self._begun())}
        )
        yield _PING
        content = self._content()
        for index, (part, block) in enumerate(zip(self.parts, content, strict=True)):
            started = _started(part, block)
            yield WireEvent(
                {"type": "content_block_start", "index": index, "content_block": started}
            )
            for delta in _deltas(part, block):
                yield WireEvent({"type": "content_block_delta", "index": index, "delta": delta})
            yield WireEvent({"type": "content_block_stop", "index": index})
        yield WireEvent(
            {"type": "message_delta", "delta": self._stop(), "usage": self._ended(content)}
        )
        yield WireEvent({"type": "message_stop"})

    def message(self) -> dict[str, Any]:
        """The whole reply at once, as a request without ``stream`` gets it."""
        content = self._content()
        return self._message(content, self._stop(), self._begun() | self._ended(content))

    def _message(
        self, content: list[dict[str, Any]], stop: dict[str, Any] | None, usage: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            **(stop or {"stop_reason": None, "stop_sequence": None}),
            "usage": usage,
        }

    def _stop(self) -> dict[str, Any]:
        stop: dict[str, Any] = {"stop_reason": self.reply.ends_with, "stop_sequence": None}
        if stop["stop_reason"] == "refusal":
            stop["stop_details"] = {
                "type": "refusal",
                "category": None,
                "explanation": self.reply.refusal,
            }
        return stop

    def _begun(self) -> dict[str, Any]:
        """The usage in ``message_start``."""
        counted = {
            **self.prompt.as_usage(),
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.prompt.written_5m,
                "ephemeral_1h_input_tokens": self.prompt.written_1h,
            },
            "output_tokens": 1,
            "service_tier": "standard",
        }
        told = self.reply.usage or {}
        return (
            counted | {name: told[name] for name in told if name in counted} | {"output_tokens": 1}
        )

    def _ended(self, content: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The usage in ``message_delta``, which is cumulative."""
        thought = sum(
            _tokens("".join(part.deltas)) for part in self.parts if isinstance(part, Thinking)
        )
        written = sum(
            sum(map(_tokens, map(_text_of, _deltas(part, block))))
            for part, block in zip(self.parts, content, strict=True)
            if not isinstance(part, Thinking)
        )
        counted: dict[str, Any] = self.prompt.as_usage() | {"output_tokens": 1 + thought + written}
        if thought:
            counted["output_tokens_details"] = {"thinking_tokens": thought}
        return counted | dict(self.reply.usage or {})

    def _thinking(self) -> dict[str, Any]:
        return self.body.get("thinking") or {}

    def _content(self) -> list[dict[str, Any]]:
        prefix = Prefix.of(self.body)
        content: list[dict[str, Any]] = []
        for index, part in enumerate(self.parts):
            block = self._block(index, part, prefix)
            prefix.say("assistant", block)
            content.append(block)
        return content

    def _block(self, index: int, part: Part, prefix: Prefix) -> dict[str, Any]:
        match part:
            case Text():
                cited = {"citations": [dict(each) for each in part.citations]}
                text = {"type": "text", "text": "".join(part.deltas)}
                return text | cited if part.citations else text
            case ToolUse():
                made_up = f"toolu_{self.message_id.removeprefix('msg_')}_{index}"
                return {
                    "type": "tool_use",
                    "id": part.id or made_up,
                    "name": part.name,
                    "input": dict(part.input),
                }
            case Thinking():
                is_shown = (
                    self._thinking().get("display") == "summarized"
                    or self._thinking()["type"] == "enabled"
                )
                text = "".join(part.deltas) if is_shown else ""
                signature = prefix.sign(self.model, text)
                return {"type": "thinking", "thinking": text, "signature": signature}
            case Block():
                return extended(dict(part.start), part.deltas)


_EMPTY: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}, "citations": []}
"""How the fields of a block that arrive by deltas read when it begins."""


def _started(part: Part, block: dict[str, Any]) -> dict[str, Any]:
    if isinstance(part, Block):
        return dict(part.start)
    return block | {name: empty for name, empty in _EMPTY.items() if name in block}


def _deltas(part: Part, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match part:
        case Text():
            for text in part.deltas:
                yield {"type": "text_delta", "text": text}
            for citation in part.citations:
                yield {"type": "citations_delta", "citation": dict(citation)}
        case ToolUse():
            for piece in _pieces(part):
                yield {"type": "input_json_delta", "partial_json": piece}
        case Thinking():
            for text in part.deltas if block["thinking"] else ():
                yield {"type": "thinking_delta", "thinking": text}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case Block():
            yield from map(dict[str, Any], part.deltas)


def _pieces(part: ToolUse) -> Sequence[str]:
    if part.deltas is not None:
        return part.deltas
    written = orjson.dumps(dict(part.input)).decode()
    return [
        written[start : start + _JSON_PIECE_CHARS]
        for start in range(0, len(written), _JSON_PIECE_CHARS)
    ]


def _text_of(delta: dict[str, Any]) -> str:
    return str(delta.get("text") or delta.get("thinking") or delta.get("partial_json") or "")


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARS_PER_TOKEN)
