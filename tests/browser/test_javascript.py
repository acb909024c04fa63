"""The JavaScript of server/browser: its own tests, run by Node, and its types, where tsc is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NODE = shutil.which("node")
TSC = shutil.which("tsc")


@pytest.mark.skipif(NODE is None, reason="NO NODE: the browser client's tests did NOT run")
def test_javascript_passes_its_own_tests() -> None:
    assert NODE is not None
    files = sorted(str(file) for file in TESTS.glob("*.test.mjs"))
    run = subprocess.run([NODE, "--test", *files], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"^(?:# |ℹ )pass (\d+)$", run.stdout, re.MULTILINE)
    assert passed, run.stdout
    assert int(passed[1]) > 0, "Node found no test"


@pytest.mark.skipif(TSC is None, reason="NO TSC: the browser client's types were NOT checked")
def test_javascript_is_typed_strictly() -> None:
    assert TSC is not None
    config = TESTS.parents[1] / "server" / "browser" / "tsconfig.json"
    run = subprocess.run([TSC, "-p", str(config)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout
