"""How many bytes each entry of the npm package costs a page, against its budget.

An entry is bundled and minified by esbuild and compressed by gzip at its best. What it imports of
others is not its own: React, and for all but the core, the core.
"""

import gzip
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from scripts.node_packages import BROWSER, run_node

__all__ = ["BUDGETS", "Size", "check_sizes", "measure"]

CORE = "client.js"
"""What the other entries build upon."""

BUDGETS: Mapping[str, int] = {
    "core.js": 8_192,
    CORE: 8_900,  # with the application's functions by name
    "react.js": 3_072,
    "ai_sdk.js": 4_608,
    "ag_ui.js": 5_120,
}
"""Bytes of each entry, minified and gzipped."""


@dataclass(frozen=True)
class Size:
    """One entry.

    Attributes:
        entry: Its file's name.
        budget: Bytes that it may take, minified and gzipped.
        bytes: What it takes; None while there is no such file.
    """

    entry: str
    budget: int
    bytes: int | None

    @property
    def verdict(self) -> str:
        """What a reader should know, in a few words."""
        if self.bytes is None:
            return "NOT MEASURED: there is no such file yet"
        left = self.budget - self.bytes
        return f"{left:,} left" if left >= 0 else f"OVER BUDGET BY {-left:,}"


def measure(budgets: Mapping[str, int] = BUDGETS, folder: Path = BROWSER) -> list[Size]:
    """The size of every entry that has a budget.

    Raises:
        RuntimeError: esbuild could not bundle an entry; its own words came to stderr before.
    """
    with tempfile.TemporaryDirectory() as name:
        # What is imported of others is named by its path, which must be as long wherever we are.
        copy = Path(name) / "browser"
        shutil.copytree(folder, copy)
        core = _bundle(copy / CORE, external=[])[1]
        return [
            Size(entry, budget, _bytes_of(copy / entry, [] if entry in (CORE, "core.js") else core))
            for entry, budget in budgets.items()
        ]


def _bytes_of(entry: Path, external: list[str]) -> int | None:
    if not entry.is_file():
        return None
    return len(gzip.compress(_bundle(entry, external)[0], 9, mtime=0))


def _bundle(entry: Path, external: list[str]) -> tuple[bytes, list[str]]:
    """The bundle, and the files that it is made of."""
    out, meta = entry.parent / "bundle.out", entry.parent / "meta.json"
    ended = run_node(
        "esbuild/bin/esbuild",
        str(entry),
        "--bundle",
        "--minify",
        "--format=esm",
        "--target=es2022",
        "--log-level=warning",
        f"--outfile={out}",
        f"--metafile={meta}",
        *(f"--external:{one}" for one in ("react", "headwater", *external)),
        cwd=entry.parent,
    )
    if ended.returncode != 0:
        raise RuntimeError(f"esbuild could not bundle {entry.name}")
    made_of = json.loads(meta.read_text("utf-8"))["inputs"]
    return out.read_bytes(), [str(entry.parent / one) for one in made_of]


def check_sizes(sizes: list[Size], out: TextIO = sys.stdout) -> bool:
    """Print them as a table; whether all are within their budgets."""
    rows = [("entry", "bytes", "budget", "")]
    rows += [
        (one.entry, "" if one.bytes is None else f"{one.bytes:,}", f"{one.budget:,}", one.verdict)
        for one in sizes
    ]
    for entry, taken, budget, verdict in rows:
        print(f"{entry:12} {taken:>8} {budget:>8}  {verdict}".rstrip(), file=out)
    return all(one.bytes is None or one.bytes <= one.budget for one in sizes)
