"""What a schema leads to: the definitions that it refers to, and the tables that it marks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from schemas.reference import TABLE_KEY
from server.codegen.application import REFERENCE

__all__ = ["definitions_reached", "tables_marked"]


def definitions_reached(
    schemas: Iterable[Any], definitions: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """The definitions that `schemas` refer to, and those that these refer to, and so on."""
    reached: set[str] = set()
    ahead = list(schemas)
    while ahead:
        for reference in _texts_under("$ref", ahead.pop()):
            name = reference.removeprefix(REFERENCE)
            if name in definitions and name not in reached:
                reached.add(name)
                ahead.append(definitions[name])
    return reached


def tables_marked(schemas: Iterable[Any]) -> set[str]:
    """The tables that ids in `schemas` are of."""
    return {table for schema in schemas for table in _texts_under(TABLE_KEY, schema)}


def _texts_under(key: str, value: Any) -> Iterator[str]:
    ahead = [value]
    while ahead:
        match cast("Mapping[str, Any] | list[Any] | str", ahead.pop()):
            case Mapping() as inner:
                if isinstance(text := inner.get(key), str):
                    yield text
                ahead.extend(inner.values())
            case [*values]:
                ahead.extend(values)
            case _:
                pass
