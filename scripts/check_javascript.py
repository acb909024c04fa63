"""Types and sizes of the browser's modules.

Where npm cannot reach a registry this says so and passes, but not in CI.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from scripts.bundle_sizes import check_sizes, measure
from scripts.node_packages import BROWSER, NoPackages, node_packages, run_node

__all__ = ["main"]


def main() -> int:
    """Check, and return the exit code."""
    try:
        node_packages()
    except NoPackages as error:
        print(f"NOTHING OF THE BROWSER'S MODULES WAS CHECKED: {error}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    typed = _check_types()
    fits = check_sizes(measure())
    return typed or (0 if fits else 1)


def _check_types() -> int:
    """Run tsc, for which the packages are where it would look for them in vain; its exit code."""
    packages = node_packages()
    types = packages / "@types"
    where = [str(types / "*"), str(packages / "*")]
    found = {"typeRoots": [str(types)], "paths": {"*": where}}
    project = {"extends": str(BROWSER / "tsconfig.json"), "compilerOptions": found}
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "tsconfig.json"
        config.write_text(json.dumps(project), "utf-8")
        return run_node("typescript/bin/tsc", "--project", str(config)).returncode


if __name__ == "__main__":
    sys.exit(main())
