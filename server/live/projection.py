"""What a client sees of a stored value: the schema's fields, in JSON's types.

Dates are milliseconds since the epoch; an ObjectId is its hex string; integers beyond 2⁵³ and
Decimal128 are strings; NaN is null; binary is base64. Fields that the table does not know are
dropped, internal ones never leave, and a field of the wrong type is shown as it is stored.
"""

import base64
import dataclasses
import math
from collections import deque
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, cast
from uuid import UUID

from bson import DatetimeMS, DBRef, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp
from pydantic import BaseModel, RootModel

from schemas.document import Internal, Part
from schemas.shape import ANY, ListShape, ObjectShape, Shape, TextShape, UnionShape, shape_of
from server.live.find import Find, Get, Page, PageOf
from server.live.text import ChunkText

__all__ = ["hold", "reproject", "show", "to_json", "variant_of"]

_SCALARS = frozenset([str, bool, int, float, type(None)])

INTEGER_MAX = 2**53
"""Beyond it a browser's numbers lose digits."""


def hold(value: Any, shape: Shape) -> Any:
    """A stored value as it is held: lists of chunks become `ChunkText`, all else stays."""
    if type(value) in _SCALARS:
        return value
    match shape:
        case TextShape():
            chunks = cast("list[Any]", value)
            if isinstance(value, list) and all(isinstance(chunk, str) for chunk in chunks):
                return ChunkText(chunks)
            return cast("Any", value)
        case ObjectShape() if isinstance(value, Mapping):
            fields = shape.fields
            return {
                k: hold(v, fields.get(k, ANY)) for k, v in cast("Mapping[str, Any]", value).items()
            }
        case ListShape() if isinstance(value, list):
            return [hold(item, shape.item) for item in cast("list[Any]", value)]
        case UnionShape() if isinstance(value, Mapping):
            document = cast("Mapping[str, Any]", value)
            return hold(document, variant_of(shape, document))
        case _:
            return value


def variant_of(shape: UnionShape, value: Mapping[str, Any]) -> Shape:
    """The variant that `value` says it is; `ANY` where it says none of them."""
    return shape.variants.get(str(value.get(shape.discriminator)), ANY)


def show(held: Any, shape: Shape) -> Any:
    """The JSON value of a held value."""
    return reproject(held, shape, None, None)


def reproject(held: Any, shape: Shape, before: Any, shown_before: Any) -> Any:
    """The JSON value of `held`; parts that are the same as in `before` are taken from its own."""
    if held is before and before is not None:
        return shown_before
    match shape:
        case ObjectShape() if isinstance(held, Mapping):
            return _show_object(cast("Mapping[str, Any]", held), shape, before, shown_before)
        case ListShape() if isinstance(held, list):
            return _show_list(cast("list[Any]", held), shape, before, shown_before)
        case TextShape() if isinstance(held, list):
            return to_json(hold(held, shape))
        case UnionShape() if isinstance(held, Mapping):
            document = cast("Mapping[str, Any]", held)
            return reproject(document, variant_of(shape, document), before, shown_before)
        case _:
            return to_json(held)


def _show_object(
    held: Mapping[str, Any], shape: ObjectShape, before: Any, shown_before: Any
) -> dict[str, Any]:
    fields = shape.fields
    if isinstance(before, dict) and isinstance(shown_before, dict):
        old, shown_old = cast("dict[str, Any]", before), cast("dict[str, Any]", shown_before)
        return {
            name: shown_old[name]
            if name in shown_old and value is old.get(name)
            else reproject(value, fields[name], old.get(name), shown_old.get(name))
            for name, value in held.items()
            if name in fields
        }
    return {n: reproject(v, fields[n], None, None) for n, v in held.items() if n in fields}


def _show_list(held: list[Any], shape: ListShape, before: Any, shown_before: Any) -> list[Any]:
    item = shape.item
    if isinstance(before, list) and isinstance(shown_before, list):
        old, shown_old = cast("list[Any]", before), cast("list[Any]", shown_before)
        both = min(len(old), len(shown_old))
        return [
            reproject(value, item, old[i], shown_old[i]) if i < both else show(value, item)
            for i, value in enumerate(held)
        ]
    return [show(value, item) for value in held]


def to_json(value: Any) -> Any:
    """Any value that a function may return or a document may hold, in JSON's types.

    A `ChunkText` stays one: it is JSON-ready once encoded, and comparing two is cheap.

    Raises:
        TypeError: The value has no JSON form.
    """
    kind = cast("object", value).__class__
    if kind is str or kind is bool or value is None or kind is ChunkText:
        return value
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, int):
        return int(value) if -INTEGER_MAX <= value <= INTEGER_MAX else str(int(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Part):
        model = type(value)
        dumped = value.model_dump(by_alias=True)
        shape = shape_of(model)
        return show(hold(dumped, shape), shape)
    if isinstance(value, BaseModel):
        return _model_json(value)
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    return _rare_json(value)


def _model_json(model: BaseModel) -> Any:
    """A model that is no table; documents in it are shown as documents are."""
    dumped: Any = model.model_dump(by_alias=True)
    if isinstance(model, RootModel):
        root: Any = cast("RootModel[Any]", model).root
        return to_json(root if _holds_document(root) else dumped)
    if not isinstance(dumped, dict):
        return to_json(dumped)
    shown = cast("dict[Any, Any]", dumped)
    for name, stored in _names(model):
        if name in _internal_names(type(model)):
            shown.pop(stored, None)
        elif stored in shown and _holds_document(value := getattr(model, name)):
            shown[stored] = value
    return {str(name): to_json(value) for name, value in shown.items()}


def _names(model: BaseModel) -> Iterator[tuple[str, str]]:
    """The names of everything in a model, each with the one under which it is dumped."""
    kind = type(model)
    for name, info in kind.model_fields.items():
        yield name, info.serialization_alias or info.alias or name
    for name, computed in kind.model_computed_fields.items():
        yield name, computed.alias or name
    for name in model.model_extra or ():
        yield name, name


@cache
def _internal_names(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(
        name
        for name, info in model.model_fields.items()
        if any(isinstance(mark, Internal) or mark is Internal for mark in info.metadata)
    )


def _holds_document(value: Any) -> bool:
    """Whether there is something in `value` of which a part must not be shown."""
    if isinstance(value, Part):
        return True
    if isinstance(value, BaseModel):
        hides = bool(_internal_names(type(value)))
        return hides or any(_holds_document(getattr(value, name)) for name, _ in _names(value))
    if isinstance(value, Mapping):
        return any(map(_holds_document, cast("Mapping[Any, Any]", value).values()))
    if isinstance(value, list | tuple | set | frozenset | deque):
        return any(map(_holds_document, cast("Iterable[Any]", value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = dataclasses.fields(value)
        return any(_holds_document(getattr(value, one.name)) for one in own)
    return False


def _rare_json(value: Any) -> Any:
    kind = cast("object", value).__class__.__name__
    match value:
        case ObjectId() | UUID() | Decimal128() | str():
            return str(value)
        case DatetimeMS():
            return int(value)
        case date():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(cast("bytes", value)).decode("ascii")
        case Timestamp():
            return value.time * 1000
        case DBRef():
            return to_json(value.as_doc())
        case Regex():
            return f"/{value.pattern}/"  # pyright: ignore[reportUnknownMemberType]
        case MinKey() | MaxKey():
            return None
        case Sequence() | set() | frozenset():
            return [to_json(item) for item in cast("Sequence[Any]", value)]
        case Find() | Get() | Page():
            raise TypeError(
                "a find is maintained where it is returned bare, or as a value of the dict that is "
                "returned; deeper than that, await it"
            )
        case PageOf():
            raise TypeError(
                "an awaited page has no JSON form; return ctx.page(…) itself, with view= for what "
                "is shown of each document"
            )
        case Awaitable():
            raise TypeError(f"a {kind} has no JSON form; await it first")
        case _:
            raise TypeError(f"a {kind} has no JSON form")
