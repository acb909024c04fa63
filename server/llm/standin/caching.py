"""Prompt caching as the service does it, by what would be read from the cache and what written.

The prompt is a row of blocks: tools, the system prompt, messages. A breakpoint (``cache_control``)
keeps the prefix that it ends; a later request reads the longest kept prefix that it shares byte
for byte, found at most 20 blocks before one of its own breakpoints. No clock: nothing expires, the
oldest prefixes are forgotten.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson

from server.llm.standin.signature import THINKING, blocks_of

__all__ = ["PromptCache", "PromptTokens", "breakpoints_of"]

_CHARS_PER_TOKEN = 4
_LOOKBACK_BLOCKS = 20
_PREFIXES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """How a request's prompt is counted; the three together are the whole of it."""

    fresh: int
    """Neither read nor written: ``input_tokens``."""
    written_5m: int = 0
    written_1h: int = 0
    read: int = 0

    def as_usage(self) -> dict[str, Any]:
        """The fields of ``usage``."""
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_read_input_tokens": self.read,
        }


@dataclass(frozen=True, slots=True)
class _Block:
    written: bytes
    tokens: int
    ttl: str | None
    """Set where it is a breakpoint."""
    is_markable: bool


class PromptCache:
    """The prefixes kept by one stand-in.

    Args:
        tokens_min: A shorter prefix is not kept. The service's own bound is 512 to 4,096 by model;
            here it is 1, so that a short test shows what caching does.
    """

    def __init__(self, tokens_min: int = 1) -> None:
        self._tokens_min = tokens_min
        self._kept: OrderedDict[bytes, None] = OrderedDict()

    def count(self, body: Mapping[str, Any]) -> PromptTokens:
        """Count the prompt of `body`, reading from the cache and writing to it."""
        blocks = list(_blocks(body))
        prefixes, totals = _prefixes(str(body.get("model")), blocks)
        marked = [index for index, block in enumerate(blocks) if block.ttl is not None]
        read_to = self._longest(prefixes, marked)
        read = totals[read_to] if read_to is not None else 0
        counted, written = read, {"5m": 0, "1h": 0}
        for index in marked:
            if totals[index] < self._tokens_min:
                continue
            self._keep(prefixes[index])
            ttl = "1h" if blocks[index].ttl == "1h" else "5m"
            written[ttl] += max(0, totals[index] - counted)
            counted = max(counted, totals[index])
        whole = totals[-1] if totals else 0
        return PromptTokens(whole - counted, written["5m"], written["1h"], read)

    def _longest(self, prefixes: Sequence[bytes], marked: Sequence[int]) -> int | None:
        for index in reversed(marked):
            for at in range(index, max(-1, index - _LOOKBACK_BLOCKS), -1):
                if prefixes[at] in self._kept:
                    return at
        return None

    def _keep(self, prefix: bytes) -> None:
        self._kept[prefix] = None
        self._kept.move_to_end(prefix)
        if len(self._kept) > _PREFIXES_MAX:
            self._kept.popitem(last=False)


def breakpoints_of(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every ``cache_control`` of a request in the prompt's order, with where it stands."""
    parts: list[tuple[str, Any]] = [
        *((f"tools.{n}", tool) for n, tool in enumerate(body.get("tools") or ())),
        *((f"system.{n}", each) for n, each in enumerate(_system(body))),
        *(
            (f"messages.{m}.content.{n}", block)
            for m, message in enumerate(body.get("messages") or ())
            for n, block in enumerate(blocks_of(message))
        ),
    ]
    for where, part in parts:
        for inner in _inner(part):
            if (control := inner.get("cache_control")) is not None:
                yield where, control
    if (control := body.get("cache_control")) is not None:
        yield "cache_control", control


def _blocks(body: Mapping[str, Any]) -> Iterator[_Block]:
    blocks = [
        *(_block(["tool"], tool) for tool in body.get("tools") or ()),
        *(_block(["system"], each) for each in _system(body)),
        *(
            # What the model is asked to do with a conversation keeps no conversation apart but its
            # own: other thinking or another tool choice shares tools and system alone.
            _block([message["role"], body.get("thinking"), body.get("tool_choice")], block)
            for message in body["messages"]
            for block in blocks_of(message)
        ),
    ]
    if (control := body.get("cache_control")) is not None:
        last = max((n for n, block in enumerate(blocks) if block.is_markable), default=None)
        if last is not None:
            blocks[last] = replace(blocks[last], ttl=blocks[last].ttl or _ttl(control))
    yield from blocks


def _block(place: Sequence[object], block: Mapping[str, Any]) -> _Block:
    ttls = [_ttl(each["cache_control"]) for each in _inner(block) if each.get("cache_control")]
    bare = _bare(block)
    return _Block(
        written=orjson.dumps([*place, bare]),
        tokens=-(-len(orjson.dumps(bare)) // _CHARS_PER_TOKEN),
        ttl=ttls[-1] if ttls else None,
        is_markable=block.get("type") not in THINKING,
    )


def _inner(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What in a block may carry a breakpoint: the content of a tool result, then the block."""
    if block.get("type") == "tool_result":
        yield from blocks_of({"content": block.get("content")})
    yield block


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _bare(each) for name, each in fields.items() if name != "cache_control"}
    if isinstance(value, list):
        return [_bare(each) for each in cast("list[Any]", value)]
    return value


def _ttl(control: Mapping[str, Any]) -> str:
    return str(control.get("ttl") or "5m")


def _system(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return blocks_of({"content": body.get("system") or []})


def _prefixes(model: str, blocks: Sequence[_Block]) -> tuple[list[bytes], list[int]]:
    """For each block the digest of all up to it, and their tokens."""
    running = hashlib.sha256(model.encode())
    prefixes: list[bytes] = []
    totals: list[int] = []
    total = 0
    for block in blocks:
        running.update(b"%d:%b" % (len(block.written), block.written))
        total += block.tokens
        prefixes.append(running.digest())
        totals.append(total)
    return prefixes, totals
