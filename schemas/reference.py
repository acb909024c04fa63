"""Which table an id is of, told to whoever reads the schemas."""

from dataclasses import dataclass
from typing import Any

__all__ = ["TABLE_KEY", "Ref"]

TABLE_KEY = "x-headwater-table"
"""In a JSON Schema: of a string, the collection of the document that it is the ``_id`` of; of an
object, the collection whose documents look like that."""


@dataclass(frozen=True)
class Ref:
    """Marks an id by its collection: ``TaskId = Annotated[str, Ref("tasks")]``.

    It checks nothing. Generated types keep apart what is marked differently.
    """

    collection: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Say it in the description of a string, and of one that may be null."""
        described: dict[str, Any] = handler(schema)
        for one in described.get("anyOf", [described]):
            if one.get("type") == "string":
                one[TABLE_KEY] = self.collection
        return described
