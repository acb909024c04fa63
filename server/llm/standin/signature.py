"""Signatures of thinking blocks: made so that an altered block, or an altered past, is noticed.

A signature is three digests: one of the model and the thinking; one of its prefix, which is the
system prompt, the tools and everything said before it; one of the thinking block before it. Older
models check the first alone. Thinking blocks are not part of the prefix, since the oldest ones may
be left out; one from between others may not.

Source: https://platform.claude.com/docs/en/build-with-claude/preserved-thinking/prefix-checks
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import orjson

__all__ = ["THINKING", "Prefix", "blocks_of", "is_by"]

THINKING = frozenset({"thinking", "redacted_thinking"})
"""The kinds of blocks that are not part of anybody's prefix."""

_SECRET = b"the stand-in's own, which protects nothing"
_DIGEST_BYTES = 24


class Prefix:
    """What comes before some place in a conversation: it grows, and signs what is thought there."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._hash = hashlib.sha256(_SECRET)
        tools: Iterable[Mapping[str, Any]] = body.get("tools") or ()
        self._add(["tools", [_bare(tool) for tool in tools]])
        self._add(["system", [_bare(b) for b in blocks_of({"content": body.get("system") or []})]])
        self._thought: bytes | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Prefix":
        """Everything that the request `body` says."""
        prefix = cls(body)
        for message in body["messages"]:
            for block in blocks_of(message):
                prefix.say(message["role"], block)
        return prefix

    def say(self, role: str, block: Mapping[str, Any]) -> None:
        """Go on past a content block."""
        if block.get("type") == "thinking":
            self.think(str(block.get("signature")))
        elif block.get("type") not in THINKING:
            self._add([role, _bare(block)])

    def think(self, signature: str) -> None:
        """Go on past a thinking block."""
        self._thought = _digest(signature)

    def sign(self, model: str, text: str) -> str:
        """The signature of the thinking `text` at this place."""
        thought = self._thought or bytes(_DIGEST_BYTES)
        return base64.b64encode(_own(model, text) + self._past() + thought).decode()

    def allows(self, signature: str) -> bool:
        """Whether a thinking block with this signature may stand here."""
        parts = _parts(signature)
        if parts is None or not hmac.compare_digest(parts[1], self._past()):
            return False
        return self._thought is None or hmac.compare_digest(parts[2], self._thought)

    def _past(self) -> bytes:
        return self._hash.digest()[:_DIGEST_BYTES]

    def _add(self, value: object) -> None:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        self._hash.update(b"%d:%b" % (len(data), data))


def is_by(model: str, signature: str, text: str) -> bool:
    """Whether `model` thought `text` and signed it so."""
    parts = _parts(signature)
    return parts is not None and hmac.compare_digest(parts[0], _own(model, text))


def blocks_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The content blocks of a message; a plain string is one text block."""
    content: object = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    return [cast("dict[str, Any]", block) for block in blocks if isinstance(block, dict)]


def _bare(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}


def _own(model: str, text: str) -> bytes:
    return _digest([model, text])


def _parts(signature: str) -> Sequence[bytes] | None:
    try:
        written = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(written) != 3 * _DIGEST_BYTES:
        return None
    return [written[at : at + _DIGEST_BYTES] for at in range(0, len(written), _DIGEST_BYTES)]


def _digest(value: object) -> bytes:
    data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hmac.new(_SECRET, data, hashlib.sha256).digest()[:_DIGEST_BYTES]
