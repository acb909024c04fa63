"""The shape of a table, read off its model once: what is shown, what is hidden, what is chunked.

A shape is a small tree that runs beside a stored document. Everything that must know a stored
document's structure (projection, incremental patching, the check that a filter names real
fields) walks the shape and never the Pydantic model.
"""

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.document import Internal
from schemas.streamed_text import StreamedTextMarker

__all__ = [
    "ANY",
    "TEXT",
    "AnyShape",
    "ListShape",
    "ObjectShape",
    "ScalarShape",
    "Shape",
    "TextShape",
    "UnionShape",
    "shape_of",
]


@dataclass(frozen=True, eq=False)
class AnyShape:
    """Anything: shown as it is stored."""


@dataclass(frozen=True, eq=False)
class TextShape:
    """A `StreamedText`: a list of chunks (or a plain string), shown as one string."""


@dataclass(frozen=True, eq=False)
class ScalarShape:
    """One value of the named Python types."""

    types: tuple[type, ...]


@dataclass(frozen=True, eq=False)
class ListShape:
    """A list whose items share a shape."""

    item: "Shape"


@dataclass(frozen=True, eq=False)
class ObjectShape:
    """A document or a part of one.

    Attributes:
        fields: Stored name to shape, of the fields that are shown.
        internal: Stored names of the fields that never leave the server.
    """

    fields: Mapping[str, "Shape"]
    internal: frozenset[str]


@dataclass(frozen=True, eq=False)
class UnionShape:
    """One of several objects, told apart by the value of a field."""

    discriminator: str
    variants: Mapping[str, ObjectShape]


Shape = AnyShape | TextShape | ScalarShape | ListShape | ObjectShape | UnionShape

ANY = AnyShape()
TEXT = TextShape()


@cache
def shape_of(model: type[BaseModel]) -> ObjectShape:
    """The shape of `model`, made once for each class."""
    fields: dict[str, Shape] = {}
    internal: set[str] = set()
    for name, info in model.model_fields.items():
        stored = info.serialization_alias or info.alias or name
        if any(isinstance(mark, Internal) or mark is Internal for mark in info.metadata):
            internal.add(stored)
        else:
            fields[stored] = _field_shape(info)
    return ObjectShape(fields, frozenset(internal))


def _field_shape(info: FieldInfo) -> Shape:
    if any(isinstance(mark, StreamedTextMarker) for mark in info.metadata):
        return TEXT
    return _annotation_shape(info.annotation)


def _annotation_shape(annotation: Any) -> Shape:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        if any(isinstance(mark, StreamedTextMarker) for mark in marks):
            return TEXT
        return _annotation_shape(inner)
    if origin in (Union, types.UnionType):
        members = [arg for arg in get_args(annotation) if arg is not types.NoneType]
        return _annotation_shape(members[0]) if len(members) == 1 else _union_shape(members)
    if origin in (list, tuple, set, frozenset):
        return ListShape(_annotation_shape(get_args(annotation)[0]))
    if origin is Literal:
        return _value_shape(get_args(annotation))
    if isinstance(annotation, type):
        return _class_shape(annotation)
    return _as_stored(annotation)


def _as_stored(annotation: Any) -> AnyShape:
    """Anything: it is shown as it is stored, and so nothing in it may be internal."""
    if _hides(annotation):
        raise TypeError(
            f"{annotation} is shown as it is stored, but holds fields that are Internal. Make the "
            "field itself Internal, or use a list of models, or models told apart by a Literal."
        )
    return ANY


def _hides(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _shape_hides(shape_of(annotation))
    return any(map(_hides, get_args(annotation)))


def _shape_hides(shape: Shape) -> bool:
    match shape:
        case ObjectShape():
            return bool(shape.internal) or any(map(_shape_hides, shape.fields.values()))
        case ListShape():
            return _shape_hides(shape.item)
        case UnionShape():
            return any(map(_shape_hides, shape.variants.values()))
        case _:
            return False


def _class_shape(annotation: type) -> Shape:
    if issubclass(annotation, BaseModel):
        return shape_of(annotation)
    if issubclass(annotation, Enum):
        return _value_shape(member.value for member in annotation)
    if annotation is float:
        return ScalarShape((float, int))
    if annotation in (str, int, bool, datetime):
        return ScalarShape((annotation,))
    return ANY


def _value_shape(values: Iterable[object]) -> ScalarShape:
    kinds: set[type] = {type(value) for value in values}
    return ScalarShape(tuple(kinds))


def _union_shape(members: list[Any]) -> Shape:
    """Models told apart by a field of literals; any other union is shown as stored."""
    models = [m for m in members if isinstance(m, type) and issubclass(m, BaseModel)]
    if len(models) != len(members):
        return _as_stored(Union[tuple(members)])  # noqa: UP007  # of what is known only now
    for name, info in models[0].model_fields.items():
        variants: dict[str, ObjectShape] = {}
        for model in models:
            other = model.model_fields.get(name)
            if other is None or get_origin(other.annotation) is not Literal:
                break
            variants |= {str(value): shape_of(model) for value in get_args(other.annotation)}
        else:
            return UnionShape(info.serialization_alias or info.alias or name, variants)
    return _as_stored(Union[tuple(members)])  # noqa: UP007  # as above
