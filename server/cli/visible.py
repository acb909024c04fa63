"""A stored document without what its table hides."""

from collections.abc import Mapping
from typing import Any, cast

from schemas.document import Document
from schemas.shape import ListShape, ObjectShape, Shape, TextShape, UnionShape, shape_of

__all__ = ["visible"]


def visible(document: Mapping[str, Any], table: type[Document]) -> Mapping[str, Any]:
    """The fields that `table` declares and does not hide, their values as they are stored.

    A streamed text is one string. A part that none of its table's variants describes is left out.
    """
    return cast("Mapping[str, Any]", _visible(document, shape_of(table)))


def _visible(value: Any, shape: Shape) -> Any:
    match shape:
        case ObjectShape() if isinstance(value, Mapping):
            fields = cast("Mapping[str, Any]", value)
            return {
                name: _visible(one, shape.fields[name])
                for name, one in fields.items()
                if name in shape.fields
            }
        case ListShape() if isinstance(value, list):
            return [_visible(one, shape.item) for one in cast("list[Any]", value)]
        case TextShape() if isinstance(value, list):
            return "".join(map(str, cast("list[Any]", value)))
        case UnionShape() if isinstance(value, Mapping):
            part = cast("Mapping[str, Any]", value)
            variant = shape.variants.get(str(part.get(shape.discriminator)))
            return None if variant is None else _visible(part, variant)
        case _:
            return value
