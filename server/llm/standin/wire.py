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

from server.llm.standin.script import Part, Reply, Text, Thinking, ToolUse
from server.llm.standin.signature import sign

__all__ = ["PING", "Answer", "WireEvent", "encoded"]

_JSON_PIECE_CHARS = 12
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One server-sent event; its name is its data's ``type``."""

    data: dict[str, Any]

    @property
    def is_delta(self) -> bool:
        """Whether it carries a piece of the reply: what a script counts and paces."""
        return (
            self.data["type"] == "content_block_delta"
            and self.data["delta"]["type"] != "signature_delta"
        )


PING = WireEvent({"type": "ping"})


def encoded(event: WireEvent) -> bytes:
    """The event's bytes."""
    return b"event: %b\ndata: %b\n\n" % (event.data["type"].encode(), orjson.dumps(event.data))


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply fitted to the request that it answers."""

    message_id: str
    model: str
    reply: Reply
    body: dict[str, Any] = field(repr=False)
    """The request."""

    @property
    def parts(self) -> list[Part]:
        """The reply's parts without the thinking that the request turned off."""
        is_on = self._thinking().get("type") in {"adaptive", "enabled"}
        return [part for part in self.reply.parts if is_on or not isinstance(part, Thinking)]

    def events(self) -> Iterator[WireEvent]:
        """The stream."""
        yield WireEvent({"type": "message_start", "message": self._message([], None, 1)})
        yield PING
        blocks: list[dict[str, Any]] = []
        output_tokens = 1
        for index, part in enumerate(self.parts):
            block = self._block(index, part, blocks)
            started = block | {name: empty for name, empty in _EMPTY.items() if name in block}
            yield WireEvent(
                {"type": "content_block_start", "index": index, "content_block": started}
            )
            for delta in self._deltas(part, block):
                output_tokens += _tokens(delta)
                yield WireEvent({"type": "content_block_delta", "index": index, "delta": delta})
            yield WireEvent({"type": "content_block_stop", "index": index})
            blocks.append(block)
        yield WireEvent(
            {
                "type": "message_delta",
                "delta": self._stop(),
                "usage": self._usage(output_tokens),
            }
        )
        yield WireEvent({"type": "message_stop"})

    def message(self) -> dict[str, Any]:
        """The whole reply at once, as a request without ``stream`` gets it."""
        blocks: list[dict[str, Any]] = []
        output_tokens = 1
        for index, part in enumerate(self.parts):
            block = self._block(index, part, blocks)
            output_tokens += sum(map(_tokens, self._deltas(part, block)))
            blocks.append(block)
        return self._message(blocks, self._stop(), output_tokens)

    def _message(
        self, content: list[dict[str, Any]], stop: dict[str, Any] | None, output_tokens: int
    ) -> dict[str, Any]:
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            **(stop or {"stop_reason": None, "stop_sequence": None}),
            "usage": self._usage(output_tokens),
        }

    def _stop(self) -> dict[str, Any]:
        stop: dict[str, Any] = {"stop_reason": self.reply.ends_with, "stop_sequence": None}
        if stop["stop_reason"] == "refusal":
            stop["stop_details"] = {
                "type": "refusal",
                "category": None,
                "explanation": "The stand-in was told to refuse.",
            }
        return stop

    def _usage(self, output_tokens: int) -> dict[str, int]:
        prompt = orjson.dumps([self.body.get("system"), self.body["messages"]])
        return {
            "input_tokens": len(prompt) // _CHARS_PER_TOKEN,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
        }

    def _thinking(self) -> dict[str, Any]:
        return self.body.get("thinking") or {}

    def _block(self, index: int, part: Part, before: Sequence[dict[str, Any]]) -> dict[str, Any]:
        match part:
            case Text():
                return {"type": "text", "text": "".join(part.deltas)}
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
                signature = sign(self.model, self.body["messages"], before, text)
                return {"type": "thinking", "thinking": text, "signature": signature}

    def _deltas(self, part: Part, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
        match part:
            case Text():
                for text in part.deltas:
                    yield {"type": "text_delta", "text": text}
            case ToolUse():
                for piece in _pieces(part):
                    yield {"type": "input_json_delta", "partial_json": piece}
            case Thinking():
                for text in part.deltas if block["thinking"] else ():
                    yield {"type": "thinking_delta", "thinking": text}
                yield {"type": "signature_delta", "signature": block["signature"]}


_EMPTY: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}
"""How the fields of a block that arrive by deltas read when it begins."""


def _pieces(part: ToolUse) -> Sequence[str]:
    if part.deltas is not None:
        return part.deltas
    written = orjson.dumps(dict(part.input)).decode()
    return [
        written[start : start + _JSON_PIECE_CHARS]
        for start in range(0, len(written), _JSON_PIECE_CHARS)
    ]


def _tokens(delta: dict[str, Any]) -> int:
    written = delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
    return -(-len(written) // _CHARS_PER_TOKEN)
