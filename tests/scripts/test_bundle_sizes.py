"""Sizes of the npm package's entries, against budgets."""

import io
from pathlib import Path

from scripts.bundle_sizes import check_sizes, measure

CORE = "export const a = 1;\n"
MORE = """
import { useState } from "react";
import { a } from "./client.js";
export const b = useState(a);
"""


def test_an_entry_over_its_budget_fails_and_says_by_how_much(tmp_path: Path) -> None:
    (tmp_path / "client.js").write_text(CORE)
    (tmp_path / "react.js").write_text(MORE + f"\nexport const long = {'x' * 500!r};")
    sizes = measure({"client.js": 8_192, "react.js": 10, "vue.js": 10}, tmp_path)
    said = io.StringIO()
    assert not check_sizes(sizes, said)
    core, react, vue = sizes
    assert core.bytes is not None
    assert react.bytes is not None
    assert (
        f"react.js     {react.bytes:>8}       10  OVER BUDGET BY {react.bytes - 10}"
        in said.getvalue()
    )
    assert vue.bytes is None
    assert f"{'vue.js':12} {'':8}       10  NOT MEASURED" in said.getvalue()


def test_an_entry_within_its_budget_passes_and_what_is_not_there_does_not_fail(
    tmp_path: Path,
) -> None:
    (tmp_path / "client.js").write_text(CORE)
    assert check_sizes(measure({"client.js": 100, "react.js": 10}, tmp_path), io.StringIO())


def test_what_belongs_to_the_core_or_to_react_does_not_count_twice(tmp_path: Path) -> None:
    (tmp_path / "react.js").write_text(MORE)
    taken: list[int | None] = []
    for core in (CORE, CORE + f"export const long = {list(range(1_000))!r};"):
        (tmp_path / "client.js").write_text(core)
        taken.append(measure({"react.js": 0}, tmp_path)[0].bytes)
    assert taken[0] == taken[1]
