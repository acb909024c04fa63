"""MongoDB's references, read as the plain documents that they are."""

from typing import Any

from bson import DBRef
from bson.codec_options import TypeDecoder, TypeRegistry

__all__ = ["PLAIN_REFERENCES"]


class _PlainReference(TypeDecoder):
    """Undoes what the driver makes of every object with a ``$ref`` and an ``$id``.

    Claude and its tools may write such an object and mean a JSON Schema, or anything.
    """

    @property
    def bson_type(self) -> type[DBRef]:
        """What the driver makes of one."""
        return DBRef

    def transform_bson(self, value: DBRef) -> dict[str, Any]:
        """The object that was stored; ``$ref`` and ``$id`` are its first fields then."""
        return dict(value.as_doc())


PLAIN_REFERENCES = TypeRegistry([_PlainReference()])
"""For a client's `type_registry`."""
