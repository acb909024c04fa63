"""Signatures of thinking blocks: made so that an altered block, or an altered past, is noticed.

A signature is two digests: one of the model and the thinking, one of everything said before it.
Older models check the first alone. Thinking blocks are not part of "everything before", since
leaving out those of earlier turns is allowed.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

__all__ = ["blocks_of", "is_authentic", "sign"]

_SECRET = b"the stand-in's own, which protects nothing"
_DIGEST_BYTES = 24
_THINKING = {"thinking", "redacted_thinking"}


def sign(
    model: str,
    messages: Sequence[Mapping[str, Any]],
    before: Sequence[Mapping[str, Any]],
    text: str,
) -> str:
    """Sign the thinking `text`, said after `messages` and after `before` in the same turn."""
    own = _digest([model, text])
    past = _digest([[[m["role"], _said(blocks_of(m))] for m in messages], _said(before)])
    return base64.b64encode(own + past).decode()


def is_authentic(signature: object, expected: str, *, binds_past: bool) -> bool:
    """Whether `signature` is the `expected` one, its second half too if `binds_past`."""
    if not isinstance(signature, str):
        return False
    own_chars = _DIGEST_BYTES * 4 // 3
    compared = None if binds_past else own_chars
    return len(signature) == len(expected) and hmac.compare_digest(
        signature[:compared].encode(), expected[:compared].encode()
    )


def blocks_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The content blocks of a message; a plain string is one text block."""
    content: object = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    return [cast("dict[str, Any]", block) for block in blocks if isinstance(block, dict)]


def _said(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in block.items() if name != "cache_control"}
        for block in blocks
        if block.get("type") not in _THINKING
    ]


def _digest(value: object) -> bytes:
    data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hmac.new(_SECRET, data, hashlib.sha256).digest()[:_DIGEST_BYTES]
