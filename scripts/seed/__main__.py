"""``make seed``: something to look at, in any database.

It goes into HEADWATER_MONGODB_URI, or into the embedded MongoDB, whose running server shows it at
once. What is there already stays as it is, so this may be repeated.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from schemas.document import Document
from scripts.seed.crowd import TASKS, crowd
from scripts.seed.demo import demo
from scripts.seed.writing import seed_settings
from server.core.errors import StartupError
from server.settings import Settings

__all__ = ["main"]

FEW_TASKS = 3
"""Of the crowd's, without ``--large``."""


def main() -> int:
    """Seed, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.seed", description=__doc__)
    parser.add_argument(
        "--large",
        action="store_true",
        help="100 tasks of 40 people with 20,000 messages and a day of what they did, not 3",
    )
    asked = parser.parse_args()
    tasks = TASKS if asked.large else FEW_TASKS
    documents = [*demo(), *crowd(datetime.now(UTC), tasks)]
    try:
        _run(documents)
    except StartupError as error:
        print(f"seed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("seed: stopped; run it again for the rest.", file=sys.stderr)
        return 130
    return 0


def _run(documents: list[Document]) -> None:
    begun = time.monotonic()
    columns = (TextColumn("Seeding"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(documents))
        written, where = asyncio.run(
            seed_settings(Settings(), documents, lambda n: progress.advance(bar, n))
        )
    if not written:
        print(f"Nothing to do: it is all in {where} already.")
        return
    kinds = Counter(one.collection for one in documents)
    listed = ", ".join(f"{count:,} {name}" for name, count in kinds.items())
    of = "" if written == len(documents) else f" of {len(documents):,}"
    print(f"Wrote {written:,}{of} documents to {where} in {time.monotonic() - begun:.1f} s:")
    print(f"{listed}.")


if __name__ == "__main__":
    sys.exit(main())
