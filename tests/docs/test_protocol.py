"""Every invariant of PROTOCOL names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_protocol_names_exists() -> None:
    text = (ROOT / "PROTOCOL.md").read_text("utf-8")
    invariants = text.partition("## Invariants")[2]
    file = Path()
    named = 0
    for path, test in re.findall(r"`(tests/[\w/]+\.py|…)(?:::(\w+))?`", invariants):
        file = file if path == "…" else ROOT / path
        assert file.is_file(), path
        if test:
            assert f"def {test}(" in file.read_text("utf-8"), (path, test)
        named += 1
    assert named >= 15
    numbered = re.findall(r"^\d+\. \*\*.*$", invariants, re.MULTILINE)
    assert all("tests/" in line for line in numbered)
