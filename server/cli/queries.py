"""``headwater queries``: what each live query of a running server is, does, costs."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from schemas.wire.live_queries import LiveQueries, LiveQueryRow
from server.cli.operators import show, shown_duration
from server.cli.printable import printable
from server.cli.server_url import UrlOption

__all__ = ["queries"]

_COLUMNS = ("strategy", "watched", "result", "log", "changes", "runs", "reads", "lag")
_STYLES = {
    "maintained": "green",
    "asked": "yellow",
    "rerun": "magenta",
    "constant": "dim",
    "reading": "cyan",
}


def queries(
    url: UrlOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many to show.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    watch: Annotated[bool, typer.Option(help="Look again and again, until Ctrl-C.")] = False,
) -> None:
    """Show the live queries of a running server, those that cost most first.

    Where the server has a HEADWATER_OPERATOR_TOKEN, set the same in the environment.
    """
    show(url, f"/api/live-queries?limit={limit}", LiveQueries, _shown, as_json=as_json, watch=watch)


def _shown(answer: LiveQueries) -> RenderableType:
    """For each query three lines or more: what it is, its numbers, and why it is kept as it is."""
    parts: list[RenderableType] = [_summary(answer), Text()]
    if not answer.queries:
        parts.append(Text("Nobody watches anything.", style="dim"))
    rows = [_cells(row) for row in answer.queries]
    heads = [Text(name, style="bold dim") for name in _COLUMNS] if rows else []
    widths = [max(map(_width, cells)) for cells in zip(heads, *rows, strict=True)]
    parts += [_line(heads, widths)] if rows else []
    for row, cells in zip(answer.queries, rows, strict=True):
        parts += [Text(), _name(row), _line(cells, widths), Padding(_reason(row), (0, 0, 0, 2))]
    if answer.left_out:
        parts.append(Text(f"\n… and {answer.left_out:,} that cost less (--limit)", style="dim"))
    return Group(*parts)


def _line(cells: Sequence[Text], widths: Sequence[int]) -> RenderableType:
    """Cells below those of other lines; all but the first lean to the right."""
    line = Table.grid(padding=(0, 2, 0, 0))
    for place, width in enumerate(widths):
        line.add_column(width=width, justify="right" if place else "left")
    line.add_row(*cells)
    return line


def _width(cell: Text) -> int:
    return max(line.cell_len for line in cell.split("\n"))


def _cells(row: LiveQueryRow) -> list[Text]:
    return [
        Text(row.strategy, style=_STYLES[row.strategy]),
        Text("lingers", style="dim") if row.lingering else Text(f"{row.subscribers:,}"),
        Text(f"{row.result_count:,}\n{_size(row.result_bytes)}"),
        Text(f"{row.log_count:,}\n{_size(row.log_bytes)}"),
        Text(f"{row.events:,}"),
        Text(f"{row.runs:,}\n{row.cause}"),
        Text(f"{row.reads:,}" + (f"\n{row.asked:,} asked" if row.asked else "")),
        Text(shown_duration(row.lag_ms), style="red") if row.lag_ms else Text("–", style="dim"),
    ]


def _name(row: LiveQueryRow) -> Text:
    name = Text(printable(row.function), style="bold")
    if row.arguments != "{}":
        name.append(f" {printable(row.arguments)}", style="not bold cyan")
    if row.caller is not None:
        name.append(f" for {printable(row.caller)}", style="not bold dim")
    return name


def _reason(row: LiveQueryRow) -> Text:
    """Why it is kept current as it is."""
    reason = Text(printable(row.reason), style="dim")
    if row.error is None:
        return reason
    return Text(f"shows the error {printable(row.error)}; ", style="red").append_text(reason)


def _summary(answer: LiveQueries) -> Text:
    totals = answer.totals
    count, read = sum(totals.queries.values()), sum(totals.reads.values())
    kinds = ", ".join(f"{n:,} {strategy}" for strategy, n in sorted(totals.queries.items()))
    reads = ", ".join(f"{n:,} {reason}" for reason, n in sorted(totals.reads.items()))
    text = Text()
    text.append(f"{count:,} live {'query' if count == 1 else 'queries'}", style="bold")
    text.append(f" ({kinds})" if kinds else "")
    text.append(f", {totals.subscribers:,} watching\n")
    text.append(f"{read:,} {'read' if read == 1 else 'reads'} of MongoDB", style="bold")
    text.append(f" ({reads})" if reads else "")
    text.append(f", {totals.touches:,} {'change' if totals.touches == 1 else 'changes'}")
    text.append(f"; the feed is {shown_duration(totals.feed_lag_ms)} behind")
    if totals.interruptions or totals.losses:
        text.append(
            f", opened again {totals.interruptions:,} times, history lost {totals.losses:,} times",
            style="red",
        )
    return text


def _size(count: int) -> str:
    if count < 1_000:
        return f"{count} B"
    return f"{count / 1_000:.1f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
