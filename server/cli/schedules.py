"""``headwater schedules``: what runs by itself on the servers of a database."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.wire.schedules import EveryRow, ScheduledCallRow, Schedules
from server.cli.operators import show, shown_duration
from server.cli.printable import printable
from server.cli.server_url import UrlOption

__all__ = ["schedules"]

_STYLES = {"waiting": "cyan", "running": "green", "failed": "red"}


def schedules(
    url: UrlOption = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000, help="How many scheduled calls to show.")
    ] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    watch: Annotated[bool, typer.Option(help="Look again and again, until Ctrl-C.")] = False,
) -> None:
    """Show what runs by itself: functions with @every, and calls that were scheduled.

    For each when it is due, which process is at it, and how it went. Where the server has a
    HEADWATER_OPERATOR_TOKEN, set the same in the environment.

    Examples:
      headwater schedules
      headwater schedules --json | jq '.calls[] | select(.state == "failed")'
    """
    show(url, f"/api/schedules?limit={limit}", Schedules, _shown, as_json=as_json, watch=watch)


def _shown(answer: Schedules) -> RenderableType:
    parts: list[RenderableType] = []
    if answer.everies:
        parts += [_everies(answer.everies), Text()]
    parts.append(_summary(answer))
    if answer.calls:
        parts += [Text(), _calls(answer.calls)]
    if answer.left_out:
        parts.append(Text(f"\n… and {answer.left_out:,} more (--limit)", style="dim"))
    return Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _everies(rows: list[EveryRow]) -> Table:
    table = _table("function", "every", "next", "on", "last", "runs")
    for row in rows:
        table.add_row(
            Text(printable(row.function), style="bold"),
            shown_duration(round(row.seconds * 1000)),
            _due(row.due_in_ms, row.runs_for_ms),
            printable(row.owner or "–"),
            _last(row),
            f"{row.runs:,}" + (f", {row.failures:,} failed" if row.failures else ""),
        )
    return table


def _last(row: EveryRow) -> Text:
    if row.last_outcome is None or row.last_duration_ms is None:
        return Text("–", style="dim")
    style = "green" if row.last_outcome == "succeeded" else "red"
    text = Text(f"{row.last_outcome} in {shown_duration(row.last_duration_ms)}", style=style)
    return text.append(f": {printable(row.last_error)}") if row.last_error else text


def _due(due_in_ms: int | None, runs_for_ms: int | None) -> Text:
    if runs_for_ms is not None:
        return Text(f"runs for {shown_duration(max(runs_for_ms, 0))}", style="green")
    if due_in_ms is None:
        return Text("–", style="dim")
    if due_in_ms <= 0:
        return Text(f"due for {shown_duration(-due_in_ms)}", style="yellow")
    return Text(f"in {shown_duration(due_in_ms)}")


def _summary(answer: Schedules) -> Text:
    totals = answer.totals
    count = sum(totals.calls.values())
    kinds = ", ".join(f"{n:,} {state}" for state, n in sorted(totals.calls.items()))
    ended = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(totals.outcomes.items()))
    text = Text(f"{count:,} scheduled {'call' if count == 1 else 'calls'}", style="bold")
    text.append(f" ({kinds})" if kinds else "", style="not bold")
    text.append(f"\n{printable(answer.process)} has made: {ended or 'none'}", style="not bold")
    return text


def _calls(rows: list[ScheduledCallRow]) -> Table:
    table = _table("call", "state", "due", "attempts", "on", "what")
    for row in rows:
        failed = row.state == "failed"
        due = Text(f"{shown_duration(-row.due_in_ms)} ago") if failed else None
        table.add_row(
            row.call_id,
            Text(row.state, style=_STYLES[row.state]),
            due or _due(row.due_in_ms, row.runs_for_ms),
            str(row.attempts),
            printable(row.owner or "–"),
            _what(row),
        )
    return table


def _what(row: ScheduledCallRow) -> Text:
    text = Text(printable(row.function), style="bold")
    if row.arguments != "{}":
        text.append(f" {printable(row.arguments)}", style="not bold cyan")
    if row.caller is not None:
        text.append(f" for {printable(row.caller)}", style="not bold dim")
    if not row.is_known:
        text.append("\nthis server has no such function", style="not bold yellow")
    if row.error is not None:
        text.append(f"\n{printable(row.error)}", style="not bold red")
    return text
