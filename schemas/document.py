"""The base of every table: its collection, its indexes, and the three fields that all share."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticOmit

from schemas.names import stored_name
from schemas.reference import TABLE_KEY
from schemas.storable import storable

__all__ = ["Document", "Index", "Internal", "Part", "new_id"]


class Internal:
    """Marks a field that never leaves the server: ``Annotated[Lease | None, Internal()]``."""

    @staticmethod
    def __get_pydantic_json_schema__(_schema: Any, _handler: Any) -> dict[str, Any]:
        """A description of its model leaves the field out."""
        raise PydanticOmit


@dataclass(frozen=True)
class Index:
    """One index of a table.

    Attributes:
        keys: Stored field names in order; a leading ``-`` means descending. ``_id`` is added at
            the end (so that the index serves a sort, which always ends in ``_id``) unless the
            index is unique or expires documents.
        unique: Whether two documents may share the keys.
        expire_after_seconds: Documents leave this long after the one date that is keyed.
        partial: A filter; only matching documents are indexed.
    """

    keys: tuple[str, ...]
    unique: bool = False
    expire_after_seconds: int | None = None
    partial: dict[str, Any] | None = field(default=None, hash=False)


class Part(BaseModel):
    """A model inside a document: the same naming, no collection of its own."""

    model_config = ConfigDict(
        alias_generator=stored_name,
        populate_by_name=True,
        extra="ignore",
        val_temporal_unit="milliseconds",
    )

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What was never set and is None is not stored, and not shown either."""
        dumped: dict[str, Any] = handler(self)
        unset = type(self).model_fields.keys() - self.model_fields_set
        for name in unset:
            for key in (stored_name(name), name):
                if key in dumped and dumped[key] is None:
                    del dumped[key]
        return dumped


def new_id() -> str:
    """A fresh id: 24 hex digits, an ObjectId's, ordered by the time it was made."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    fraction = (nanoseconds << 32) // 1_000_000_000
    return f"{seconds:08x}{fraction:08x}{secrets.token_hex(4)}"


def _index(index: tuple[str, ...] | Index | object) -> Index:
    if isinstance(index, Index):
        return index
    if not isinstance(index, tuple):
        raise TypeError(
            f"An index is a tuple of stored names, or an Index; write ({index!r},) for {index!r}."
        )
    return Index(keys=cast("tuple[str, ...]", index))


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)  # BSON dates are milliseconds


class Document(Part):
    """A table. Declare one by ``class Task(Document, collection="tasks", indexes=[…])``.

    Class arguments:
        collection: The collection's name; without it the class is an abstract base.
        indexes: Tuples of stored field names, or `Index`.
        object_id: True where the collection's ``_id`` values are ObjectIds (other people's data);
            clients see them as hex strings all the same.
    """

    collection: ClassVar[str] = ""
    indexes: ClassVar[tuple[Index, ...]] = ()
    object_id: ClassVar[bool] = False

    id: str = Field(default_factory=new_id)
    created_at: datetime = Field(default_factory=_now)
    updated_at: datetime = Field(default_factory=_now)

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        collection: str = "",
        indexes: Sequence[tuple[str, ...] | Index] = (),
        object_id: bool = False,
        **kwargs: Any,
    ) -> None:
        """Record the class arguments."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.collection = collection
        cls.indexes = tuple(_index(index) for index in indexes)
        cls.object_id = object_id
        known = {stored_name(name) for name in cls.model_fields}
        for path in (key.removeprefix("-") for index in cls.indexes for key in index.keys):
            if path.partition(".")[0] not in known:
                raise TypeError(
                    f"{cls.__name__} has no field for its index on {path!r}. Indexes name stored "
                    f"fields, in camelCase; it has {', '.join(sorted(known))}."
                )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Pydantic reads unknown class arguments as configuration; ours go to the hook above.
        for own in ("collection", "indexes", "object_id"):
            kwargs.pop(own, None)
        super().__init_subclass__(**kwargs)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """A description says whose the ``_id`` is, and of which table the documents look so."""
        described: dict[str, Any] = handler(schema)
        model: dict[str, Any] = handler.resolve_ref_schema(described)
        if cls.collection and "_id" in model.get("properties", {}):
            model["properties"]["_id"].setdefault(TABLE_KEY, cls.collection)
            if handler.mode == "serialization":  # what is given may look otherwise
                model[TABLE_KEY] = cls.collection
        return described

    def stored(self) -> dict[str, Any]:
        """This document as MongoDB stores it."""
        return storable(self.model_dump(by_alias=True))
