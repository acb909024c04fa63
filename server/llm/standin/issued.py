"""What one stand-in has said before, as far as it must know it again when it comes back."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from server.llm.standin.signature import Prefix, blocks_of

__all__ = ["Issued"]

_ENTRIES_MAX = 4_096
_VERSIONS_MAX = 64
"""Of what came before calls that a script gives one id; beyond, anything may come before it."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Issued:
    """The replies given, by what identifies them; the oldest are forgotten."""

    def __init__(self) -> None:
        self._paused: OrderedDict[bytes, None] = OrderedDict()
        self._signatures: OrderedDict[str, str] = OrderedDict()
        self._thinking: OrderedDict[str, set[tuple[str, ...]]] = OrderedDict()
        self._kinds: set[str] = set()

    def note(self, body: Mapping[str, Any], message: Mapping[str, Any]) -> None:
        """Remember the reply `message` to the request `body`."""
        content: Sequence[Mapping[str, Any]] = message["content"]
        if message.get("stop_reason") == "pause_turn":
            _keep(self._paused, _fingerprint([*_last_turn(body["messages"]), *content]), None)
        prefix = Prefix(body)
        for each in body["messages"]:
            for block in blocks_of(each):
                prefix.say(each["role"], self.ours(block))
        before: list[str] = []
        for block in content:
            match block:
                case {"type": "thinking", "signature": str(signature), "thinking": str(text)}:
                    ours = prefix.sign(str(body["model"]), text)
                    if signature != ours:
                        _keep(self._signatures, signature, ours)
                    prefix.think(ours)
                    before.append(signature)
                case {"type": "redacted_thinking", "data": str(data)}:
                    _keep(self._signatures, data, data)
                case _:
                    prefix.say("assistant", block)
            if block.get("type") == "tool_use":
                known = self._thinking.setdefault(str(block["id"]), set())
                known.add(tuple(before) if len(known) < _VERSIONS_MAX else ())
                _keep(self._thinking, str(block["id"]), known)
            if len(self._kinds) < _ENTRIES_MAX:
                self._kinds.add(str(block.get("type")))

    def ours(self, block: dict[str, Any]) -> dict[str, Any]:
        """A thinking block with the signature that the stand-in would have given it.

        They differ in replies that somebody else wrote: recordings.
        """
        ours = self._signatures.get(str(block.get("signature")))
        return block | {"signature": ours} if ours is not None else block

    def is_paused(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the conversation ends in a reply that paused, unchanged."""
        return _fingerprint(_last_turn(messages)) in self._paused

    def knows(self, kind: str) -> bool:
        """Whether a block of this kind was sent."""
        return kind in self._kinds

    def knows_redacted(self, data: object) -> bool:
        """Whether this redacted thinking was sent."""
        return data in self._signatures

    def is_thinking_kept(self, tool_use_id: str, before: Sequence[str]) -> bool:
        """Whether a tool call still has the thinking before it that it was sent with.

        Args:
            tool_use_id: The call's.
            before: Signatures of the thinking blocks before it in its turn.
        """
        known = self._thinking.get(tool_use_id)
        if known is None:
            return True
        return any(not sent or tuple(before[-len(sent) :]) == sent for sent in known)


def _last_turn(messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The blocks of the assistant's turn at the end, which may be several messages, or none."""
    first = len(messages)
    while first > 0 and messages[first - 1].get("role") == "assistant":
        first -= 1
    for message in messages[first:]:
        yield from blocks_of(message)


def _fingerprint(blocks: Iterable[Mapping[str, Any]]) -> bytes:
    bare = [{k: v for k, v in block.items() if k != "cache_control"} for block in blocks]
    return hashlib.sha256(orjson.dumps(bare, option=orjson.OPT_SORT_KEYS)).digest()


def _keep(kept: "OrderedDict[_Key, _Value]", key: _Key, value: _Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _ENTRIES_MAX:
        kept.popitem(last=False)
