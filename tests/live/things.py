"""The tables that random documents are written to, of every shape that a table can have."""

from functools import cache
from typing import Annotated, Any, Literal

from bson import ObjectId

from schemas.document import Document, Internal, Part
from schemas.streamed_text import StreamedText

__all__ = ["GROUPS", "STAGING", "TABLES", "Guard", "Mark", "Object", "Thing", "ids"]

GROUPS = ("x", "y", "z")
STAGING = "staging"
"""A collection that is no table; documents come from it by rename, $out and $merge."""


class Item(Part):
    x: Any = None
    y: Any = None
    text: StreamedText = ""


class Inner(Part):
    p: Any = None
    q: Any = None
    text: StreamedText = ""


class Said(Part):
    kind: Literal["said"] = "said"
    text: StreamedText = ""


class Called(Part):
    kind: Literal["called"] = "called"
    args: Any = None


class Anything(Document):
    """Any values in `a` and `b`; elsewhere mostly what the type says, and sometimes not."""

    a: Any = None
    b: Any = None
    c: StreamedText = ""
    ax: Any = None
    bx: Any = None
    cx: Any = None
    g: str = "x"
    n: Any = None
    items: list[Item] = []  # noqa: RUF012  # a model's default, which Pydantic copies
    inner: Inner | None = None
    parts: list[Said | Called] = []  # noqa: RUF012
    seen: Any = None
    secret: Annotated[Any, Internal()] = None


class Thing(Anything, collection="things", indexes=[("g", "n")]):
    """Its ids are strings, and sometimes whatever else another program may have chosen."""


class Object(Anything, collection="objects", object_id=True):
    """Its ids are ObjectIds."""


class Guard(Document, collection="guards"):
    """Decides whether a guarded query answers."""

    allowed: bool = True


class Mark(Document, collection="marks"):
    """Written at quiet points, so that there is an event that comes after all others."""


TABLES: dict[str, type[Document]] = {
    table.collection: table for table in (Thing, Object, Guard, Mark)
}

_ODD_IDS: list[Any] = [7, 7.5, True, 1, {"k": 1}, {"k": {"l": 2}}, None, ObjectId("8" * 24), b"id"]


@cache
def ids(collection: str) -> tuple[Any, ...]:
    """The ids that documents of a collection have."""
    if collection == "objects":
        return tuple(ObjectId(f"{number:024x}") for number in range(16))
    if collection == "guards":
        return ("guard",)
    return (*(f"t{number:02}" for number in range(24)), *_ODD_IDS)
