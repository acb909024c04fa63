"""The result: one row for each contender, for a terminal or for a document."""

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Measured", "Row", "as_markdown", "as_text", "header"]

Measured = tuple[float, float] | tuple[int, str] | float | int
"""Two latencies; bytes with what became of them; or a plain number."""


@dataclass
class Row:
    """One contender.

    Attributes:
        title: Who.
        writes: By which way notes were written.
        values: What was measured, by column.
        notes: Why something is missing.
    """

    title: str
    writes: str
    values: dict[str, Measured] = field(default_factory=dict[str, Measured])
    notes: list[str] = field(default_factory=list[str])


def _milliseconds(value: Measured) -> str:
    assert isinstance(value, tuple)
    return f"{value[0]:.1f} / {value[1]:.1f}"


def _bytes(value: Measured) -> str:
    return f"{value:,}"


def _returned(value: Measured) -> str:
    assert isinstance(value, tuple)
    return f"{value[0]:,}: {value[1]}"


SHOWN: dict[str, Callable[[Measured], str]] = {
    "latency-1": _milliseconds,
    "latency-100": _milliseconds,
    "deltas": _bytes,
    "cpu": lambda value: f"{value:.4f}",
    "idle": lambda value: f"{value:.1f}",
    "reconnect": _returned,
}
"""Columns, in order, and how a value of each is written."""


def header(deltas: int, idle: int) -> list[str]:
    """What stands above the columns."""
    return [
        "",
        "writes by",
        "write → event, 1 subscriber: p50 / p95 ms",
        "100 subscribers: p50 / p95 ms",
        f"bytes of {deltas:,} deltas of 12 characters",
        "server CPU s per 1,000 deliveries",
        f"KB per idle subscriber of {idle:,}",
        "reconnect: bytes, for what",
    ]


def _cells(row: Row) -> list[str]:
    shown = (
        show(row.values[column]) if column in row.values else "—" for column, show in SHOWN.items()
    )
    return [row.title, row.writes, *shown]


def as_markdown(titles: list[str], rows: list[Row]) -> str:
    """A table to be pasted."""
    lines = [titles, ["---"] * len(titles), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def as_text(titles: list[str], rows: list[Row]) -> str:
    """The same for a terminal: long titles are broken, and what is missing is explained below."""
    cells = [_cells(row) for row in rows]
    widths = [max([len(line[at]) for line in cells] + [12]) for at in range(len(titles))]
    broken = [_broken(title, width) for title, width in zip(titles, widths, strict=True)]
    height = max(len(lines) for lines in broken)
    heads = [[*[""] * (height - len(lines)), *lines] for lines in broken]
    table = [*zip(*heads, strict=True), ["─" * width for width in widths], *cells]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
    for row in rows:
        lines += [f"— {row.title}, writes by {row.writes}: {note}" for note in row.notes]
    return "\n".join(lines)


def _broken(title: str, width: int) -> list[str]:
    """`title` in lines of at most `width` where its words allow."""
    lines = [""]
    for word in title.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
