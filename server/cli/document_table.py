"""Documents as a table that fits a terminal."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from server.cli.printable import printable
from server.store.extended_json import relaxed

__all__ = ["document_table"]

WIDTH_MAX = 40
"""Of a column: a longer value is cut, and says so by an ellipsis."""
GAP = 2
_LAST = {"createdAt", "updatedAt"}


def document_table(
    documents: Sequence[Mapping[str, Any]], fields: Sequence[str], width: int
) -> tuple[Table, list[str]]:
    """A row for each document, and the fields for which `width` has no room.

    Columns come in the order in which the documents have their fields, those that every table has
    at the end; columns that were asked for by `fields` come in that order, and dots lead into
    objects.
    """
    names = list(dict.fromkeys(fields or [name for one in documents for name in one]))
    if not fields:
        names.sort(key=lambda name: name in _LAST)
    rows = [[_cell(_value(one, name)) for name in names] for one in documents]
    widths = [
        min(WIDTH_MAX, max(len(name), *(len(row[place]) for row in rows)))
        for place, name in enumerate(names)
        if rows
    ]
    shown, used = 0, 0
    while shown < len(widths) and (shown == 0 or used + widths[shown] + GAP <= width):
        used += widths[shown] + GAP
        shown += 1
    table = Table(box=None, header_style="bold dim", padding=(0, GAP, 0, 0))
    for name, column in list(zip(names, widths, strict=False))[:shown]:
        table.add_column(Text(printable(name)), width=column, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*map(Text, row[:shown]))
    return table, list(map(printable, names[shown:]))


def _value(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for name in [path] if path in document else path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)  # pyright: ignore[reportUnknownVariableType]  # of any document
    return value  # pyright: ignore[reportUnknownVariableType]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return printable(value.replace("\n", "⏎"))
        case datetime():
            return value.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
        case dict() | list():
            # Under a name, for Extended JSON is of documents.
            said = relaxed({"_": value})
            return printable(said.removeprefix('{"_": ').removesuffix("}"))
        case _:
            return printable(str(value))
