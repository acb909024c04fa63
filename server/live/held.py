"""One document as this process holds it: an immutable value, and what a client sees of it."""

from collections.abc import Mapping, Set
from typing import Any, cast

import orjson

from schemas.shape import ANY, ListShape, ObjectShape, UnionShape
from schemas.wire.patch import Operation
from server.feed.events import Changes
from server.live.find import thaw
from server.live.patching import diff_fields
from server.live.projection import hold, reproject, show, variant_of
from server.live.text import ChunkText

__all__ = ["Held", "Unappliable", "encode"]


_PLAIN = {str, bool}
"""What is shown as it is stored."""


def encode(value: Any) -> bytes:
    """The JSON text of a shown value."""
    encoded = orjson.dumps(value, default=_encode_text)
    return bytes(bytearray(encoded))  # orjson keeps a far larger buffer alive behind its result


def _encode_text(value: Any) -> str:
    if isinstance(value, ChunkText):
        return str(value)
    raise TypeError


class Held:
    """A document at one moment.

    Attributes:
        raw: As stored, but streamed texts as `ChunkText`.
    """

    __slots__ = ("_before", "_changed", "_encoded", "_shape", "_shown", "raw")

    def __init__(
        self,
        raw: dict[str, Any],
        shape: ObjectShape,
        before: "Held | None" = None,
        changed: Set[str] = frozenset(),
    ) -> None:
        self.raw = raw
        self._shape = shape
        self._before = before
        self._changed = changed  # the top-level fields, since `before`
        self._shown: dict[str, Any] | None = None
        self._encoded: bytes | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any], shape: ObjectShape) -> "Held":
        """Hold a document just read."""
        return cls(cast("dict[str, Any]", hold(document, shape)), shape)

    @property
    def shown(self) -> dict[str, Any]:
        """As a client sees it. Documents that grew from one another share what did not change."""
        if self._shown is not None:
            return self._shown
        before, self._before = self._before, None
        if before is None:
            shown: dict[str, Any] = show(self.raw, self._shape)
        else:
            shown = self._shown_from(before)
        self._shown = shown
        return shown

    def _shown_from(self, before: "Held") -> dict[str, Any]:
        """What is shown, where `before` was: only what changed is looked at."""
        shown = dict(before.shown)
        for name in self._changed:
            shape = self._shape.fields.get(name)
            if name not in self.raw:
                shown.pop(name, None)
            elif shape is not None:
                shown[name] = reproject(
                    self.raw[name], shape, before.raw.get(name), shown.get(name)
                )
        return shown

    def changed(self, changes: Changes) -> "Held":
        """This document after an update event.

        Raises:
            Unappliable: The event does not fit what is held; the document must be read again.
        """
        raw = self.raw
        for path, value in changes.updated.items():
            if "." in path:
                raw = _set(raw, path.split("."), value, self._shape)
            else:
                raw = {**raw, path: hold(value, self._shape.fields.get(path, ANY))}
        for path in changes.removed:
            raw = _remove(raw, path.split("."), self._shape)
        for path, size in changes.truncated.items():
            raw = _truncate(raw, path.split("."), size)
        # What was not shown is passed over: what comes next is compared with what was.
        if self._shown is not None:
            return Held(raw, self._shape, self, changes.roots())
        return Held(raw, self._shape, self._before, self._changed | changes.roots())

    def difference(self, before: "Held", names: Set[str], path: str) -> list[Operation]:
        """The operations that turn what `before` showed into what this shows.

        Args:
            before: The same document earlier.
            names: The top-level fields that changed since.
            path: Where the document is shown, as a JSON pointer.
        """
        old, new, fields = before.raw, self.raw, self._shape.fields
        for name in names:
            is_plain = type(old.get(name)) in _PLAIN and type(new.get(name)) in _PLAIN
            if not is_plain or name not in fields:
                return diff_fields(before.shown, self.shown, names, path)
        return diff_fields(old, new, names, path)

    def encoded(self) -> bytes:
        """The JSON text of `shown`, made once."""
        if self._encoded is None:
            self._encoded = encode(self.shown)
        return self._encoded


class Unappliable(Exception):
    """An update event that does not fit the held document."""


def _set(value: Any, steps: list[str], new: Any, shape: Any) -> Any:
    """A copy of `value` along the path with `new` at its end."""
    union, shape = shape, _resolved(shape, value)
    if not steps:
        return hold(new, shape)
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        document = cast("dict[str, Any]", value)
        inner = shape.fields.get(step, ANY) if isinstance(shape, ObjectShape) else ANY
        if not rest:
            new_value = hold(new, inner)
        elif step in document:
            new_value = _set(document[step], rest, new, inner)
        else:
            raise Unappliable
        return _as_variant(union, step, {**document, step: new_value})
    if isinstance(value, ChunkText) and not rest and isinstance(new, str):
        return _set_chunk(value, _index(step), new)
    if isinstance(value, ChunkText):
        value = value.chunks()
    if isinstance(value, list):
        items = list(cast("list[Any]", value))
        index = _index(step)
        inner = shape.item if isinstance(shape, ListShape) else ANY
        if index >= len(items):
            if rest:
                raise Unappliable
            items += [None] * (index + 1 - len(items))  # MongoDB pads with nulls and says not so
        items[index] = _set(items[index], rest, new, inner) if rest else hold(new, inner)
        return items
    raise Unappliable


def _set_chunk(text: ChunkText, index: int, chunk: str) -> Any:
    if index == text.count:
        return text.appended(chunk)
    chunks: list[Any] = text.chunks()
    if index > len(chunks):
        return [*chunks, *[None] * (index - len(chunks)), chunk]
    chunks[index] = chunk
    return ChunkText(chunks)


def _remove(value: Any, steps: list[str], shape: Any) -> Any:
    step, rest = steps[0], steps[1:]
    union, shape = shape, _resolved(shape, value)
    if isinstance(value, dict):
        document = cast("dict[str, Any]", value)
        if step not in document:
            raise Unappliable  # a name with a dot in it
        if rest:
            inner = shape.fields.get(step, ANY) if isinstance(shape, ObjectShape) else ANY
            return {**document, step: _remove(document[step], rest, inner)}
        return _as_variant(union, step, {k: v for k, v in document.items() if k != step})
    if isinstance(value, list) and rest:
        items = list(cast("list[Any]", value))
        index = _index(step)
        if index < len(items):
            inner = shape.item if isinstance(shape, ListShape) else ANY
            items[index] = _remove(items[index], rest, inner)
        return items
    raise Unappliable


def _truncate(value: Any, steps: list[str], size: int) -> Any:
    if not steps:
        if isinstance(value, ChunkText):
            return ChunkText(value.chunks()[:size])
        if isinstance(value, list):
            return cast("list[Any]", value)[:size]
        raise Unappliable
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict) and step in value:
        document = cast("dict[str, Any]", value)
        return {**document, step: _truncate(document[step], rest, size)}
    if isinstance(value, list):
        items = list(cast("list[Any]", value))
        index = _index(step)
        if index < len(items):
            items[index] = _truncate(items[index], rest, size)
            return items
    raise Unappliable


def _as_variant(shape: Any, step: str, document: dict[str, Any]) -> dict[str, Any]:
    """`document`, of which `step` changed; where that says what it is, it is held anew."""
    if isinstance(shape, UnionShape) and step == shape.discriminator:
        return cast("dict[str, Any]", hold(thaw(document), shape))
    return document


def _index(step: str) -> int:
    if not step.isdigit():
        raise Unappliable
    return int(step)


def _resolved(shape: Any, value: Any) -> Any:
    if isinstance(shape, UnionShape) and isinstance(value, dict):
        return variant_of(shape, cast("dict[str, Any]", value))
    return shape
