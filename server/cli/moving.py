"""How far a long command has come: bars in a terminal, a line for each table elsewhere."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from server.cli.printable import printable

__all__ = ["Moving", "moving"]

PLAIN_SECONDS = 5.0
"""How often a long table is told of where there is no terminal."""


class Moving:
    """What is told of each table while it is worked on."""

    def __init__(self, unit: Literal["documents", "bytes"], *, quiet: bool) -> None:
        self._unit = unit
        self._console = Console(stderr=True, highlight=False)
        self._console.soft_wrap = not self._console.is_terminal  # a line stays one in a log
        self._bars = self._console.is_terminal and not quiet
        self._quiet = quiet
        self._tasks: dict[str, TaskID] = {}
        self._told_at: dict[str, float] = {}
        count = MofNCompleteColumn() if unit == "documents" else DownloadColumn()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            count,
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._bars,
            transient=True,  # what is said of each table takes its place
        )

    def told(self, name: str, done: int, total: int) -> None:
        """So much of `name` is done."""
        total = max(done, total)
        if self._bars:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(printable(name), total=total)
            self._progress.update(self._tasks[name], completed=done, total=total)
        elif not self._quiet:
            now = time.monotonic()
            since = self._told_at.setdefault(name, now)
            if done < total and now - since > PLAIN_SECONDS:
                self._told_at[name] = now
                self._console.print(
                    f"{printable(name)}: {done:,} of {total:,} {self._unit}", markup=False
                )

    def say(self, sentence: str) -> None:
        """Print a line among the bars."""
        self._console.print(printable(sentence), markup=False)

    def __enter__(self) -> "Moving":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


@contextmanager
def moving(unit: Literal["documents", "bytes"], *, quiet: bool) -> Generator[Moving]:
    """Shows on stderr how far it has come; nothing where `quiet`, but what is said."""
    with Moving(unit, quiet=quiet) as shown:
        yield shown
