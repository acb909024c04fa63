"""The check that a filter, a sort or an update names fields that the table has.

A misspelt field would match nothing, or be stored beside the real one; here it raises.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from schemas.document import Document
from schemas.shape import (
    ANY,
    AnyShape,
    ListShape,
    ObjectShape,
    ScalarShape,
    Shape,
    TextShape,
    UnionShape,
    shape_of,
)
from server.live.matching import filter_paths

__all__ = [
    "check_dates",
    "check_filter",
    "check_names",
    "check_shown",
    "check_sort",
    "check_texts",
    "check_update",
]


def check_filter(table: type[Document], query: Mapping[str, Any]) -> None:
    """Raise ValueError where `query` is no filter, or names a field that `table` does not have."""
    if not isinstance(query, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f'A filter is a dict, such as {{"_id": id}}; got {query!r}.')
    check_names(table, filter_paths(query), "filter")


def check_update(table: type[Document], update: Mapping[str, Any] | list[Any]) -> None:
    """Raise ValueError where `update` is no update, or names a field unknown to `table`."""
    stages = update if isinstance(update, list) else [update]
    for stage in stages:
        if not stage or not all(str(name).startswith("$") for name in stage):
            raise ValueError(
                'An update is written with operators, such as {"$set": {"title": "New"}}; to '
                "replace a document whole, use ctx.replace."
            )
        for operator, operand in cast("Mapping[str, Any]", stage).items():
            if isinstance(operand, Mapping):
                fields = cast("Mapping[str, Any]", operand)
                check_names(table, fields, operator)
                if operator == "$rename":
                    check_names(table, map(str, fields.values()), operator)
            elif operator == "$unset":
                names = [operand] if isinstance(operand, str) else operand
                check_names(table, names, operator)


def check_texts(table: type[Document], paths: Iterable[str]) -> None:
    """Raise ValueError where a path does not lead to a streamed text of `table`."""
    for path in paths:
        check_names(table, [path], "append")
        shape: Shape = shape_of(table)
        for step in path.split("."):
            match shape:
                case ObjectShape():
                    shape = shape.fields.get(step, ANY)
                case ListShape():
                    shape = shape.item
                case UnionShape():  # which of them it is, only the document tells
                    shape = ANY
                case _:
                    break
        if not isinstance(shape, TextShape | AnyShape):
            raise ValueError(
                f"{table.__name__} has no StreamedText at {path!r}; only such a field can be "
                "appended to."
            )


def check_names(table: type[Document], paths: Iterable[str], where: str) -> None:
    """Raise ValueError where a path begins with a field that `table` does not have."""
    shape = shape_of(table)
    for path in paths:
        name = path.partition(".")[0]
        if name not in shape.fields and name not in shape.internal:
            known = ", ".join(sorted((*shape.fields, *shape.internal)))
            raise ValueError(
                f"{table.__name__} has no field {name!r} (in {where}: {path!r}). Stored names "
                f"are camelCase; it has {known}."
            )


def check_sort(table: type[Document], sort: Iterable[tuple[str, int]]) -> None:
    """Raise ValueError where `sort` is no pairs of a field that `table` has and 1 or -1."""
    for pair in sort:
        match pair:
            case (str(path), 1 | -1):
                check_names(table, [path], "sort")
            case _:
                raise ValueError(
                    f"sort= takes pairs of a stored name and 1 or -1 (the last first), such as "
                    f'[("createdAt", -1)]; got {pair!r} in it.'
                )


def check_dates(table: type[Document], path: str) -> None:
    """Raise ValueError where `path` leads to what is declared, and not as dates."""
    shape: Shape = shape_of(table)
    for step in path.split("."):
        shape = shape.fields.get(step, ANY) if isinstance(shape, ObjectShape) else ANY
    if isinstance(shape, ListShape):
        shape = shape.item
    if isinstance(shape, AnyShape) or (isinstance(shape, ScalarShape) and datetime in shape.types):
        return
    raise ValueError(
        f"within= measures dates, and {table.__name__} has none at {path!r}; declare it as a "
        "datetime, which clients see as milliseconds."
    )


def check_shown(table: type[Document], paths: Iterable[str]) -> None:
    """Raise ValueError where a path is internal: a cursor of a page would tell its values."""
    internal = shape_of(table).internal
    for path in paths:
        if path.partition(".")[0] in internal:
            raise ValueError(
                f"A page cannot be sorted by {path!r}, which is internal: its cursors hold the "
                "values that it is sorted by."
            )
