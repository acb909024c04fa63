"""``headwater watch``: a query, live."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from server.cli.asking import FunctionArgument, HeaderOption, TextsArgument, asking, prepared
from server.cli.printable import printable, printable_json
from server.cli.server_url import UrlOption
from server.cli.value_view import value_lines
from server.cli.window import window
from server.client import Change, Client, HeadwaterError
from server.core.errors import StartupError

__all__ = ["watch"]

FRAME_SECONDS = 1 / 15
"""Between two pictures; what changes meanwhile is shown together."""
_HEAD_ROWS = 3


def watch(
    function: FunctionArgument,
    arguments: TextsArgument = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each value as a line of JSON; so also in a pipe."),
    ] = False,
    patches: Annotated[
        bool,
        typer.Option(
            "--patches", help='Print {"snapshot": …}, and then {"patch": […]} for each change.'
        ),
    ] = False,
    url: UrlOption = None,
    header: HeaderOption = None,
) -> None:
    """Watch a query of a running server: its value now, and each change at once.

    In a terminal it is shown whole, and what changed is marked.
    A server that goes away is waited for.

    Ctrl-C ends it with exit code 0, and so does the end of the pipe.
    Exit codes: 1 the server refused or the query fails, 2 it could not be asked.

    Examples:
      headwater watch tasks.list
      headwater watch messages.byTask taskId=6b080d…
      headwater watch tasks.list --json | jq length
    """

    async def follow(client: Client) -> None:
        found, given = await prepared(client, function, arguments)
        if found.kind != "query":
            article = "an" if found.kind == "action" else "a"
            raise StartupError(
                f"{function} is {article} {found.kind}, and only queries can be watched; "
                f"`headwater run {function}` calls it."
            )
        if as_json or patches or not sys.stdout.isatty():
            await _print(client, function, given, patches=patches)
        else:
            await _Screen(client, function, given).show()

    try:
        asking(url, header, follow)
    except typer.Exit as ended:
        raise typer.Exit(0 if ended.exit_code == 130 else ended.exit_code) from None
    except BrokenPipeError:  # the reader has seen enough; what is left to be flushed goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _print(client: Client, function: str, args: dict[str, Any], *, patches: bool) -> None:
    def told(error: HeadwaterError | None) -> None:
        said = "and goes on." if error is None else printable(error.message)
        print(f"headwater: {said}", file=sys.stderr, flush=True)  # beside what a program reads

    changes = client.changes(function, args, patience_seconds=None, on_interruption=told)
    async with aclosing(changes):
        async for change in changes:
            print(_line(change) if patches else printable_json(change.value), flush=True)


def _line(change: Change) -> str:
    if change.patch is None:
        return printable_json({"snapshot": change.value})
    return printable_json({"patch": change.patch})


class _Screen:
    """The whole terminal, while a value is watched."""

    def __init__(self, client: Client, function: str, args: dict[str, Any]) -> None:
        self._changes: AsyncGenerator[Change] = client.changes(
            function, args, patience_seconds=None, on_interruption=self._told
        )
        self._head = Text.assemble((function, "bold"), f" {printable_json(args)}" if args else "")
        self._live = Live(console=Console(highlight=False), screen=True, auto_refresh=False)
        self._change: Change | None = None
        self._before: Any = None
        self._count = 0
        self._at = ""
        self._anchor = 0
        self._failure: HeadwaterError | None = None

    async def show(self) -> None:
        """Until Ctrl-C, or until the query fails; then the last picture stays."""
        try:
            with self._live:
                self._draw()
                async with aclosing(self._changes):
                    async for change in self._changes:
                        self._before = change.value if self._change is None else self._change.value
                        self._count += self._change is not None
                        self._change = change
                        self._at = time.strftime("%H:%M:%S")
                        self._draw()
                        await asyncio.sleep(FRAME_SECONDS)
        finally:
            if self._change is not None:
                self._live.console.print(self._picture())

    def _told(self, error: HeadwaterError | None) -> None:
        self._failure = error
        self._draw()

    def _draw(self) -> None:
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        width, height = self._live.console.size
        head, state = self._head.copy(), self._state()
        for line in (head, state):
            line.truncate(width, overflow="ellipsis")
        if self._change is None:
            return Group(head, state)
        lines = value_lines(self._change.value, self._before)
        rows, self._anchor = window(
            lines, self._live.console, width, height - _HEAD_ROWS, self._anchor
        )
        return Group(head, state, Text(), *rows)

    def _state(self) -> Text:
        if self._failure is not None:
            return Text(f"not current: {printable(self._failure.message)}", style="red")
        if self._change is None:
            return Text("reading …", style="dim")
        changes = f"{self._count:,} {'change' if self._count == 1 else 'changes'}"
        return Text(f"{changes}, the last at {self._at}" if self._count else "live", style="dim")
