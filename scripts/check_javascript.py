"""Types and sizes of the browser's modules.

Where npm cannot reach a registry this says so and passes, but not in CI.
"""

import os
import sys

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
    project = ["--project", str(BROWSER / "tsconfig.json")]
    types = ["--typeRoots", str(node_packages() / "@types")]
    typed = run_node("typescript/bin/tsc", *project, *types)
    fits = check_sizes(measure())
    return typed.returncode or (0 if fits else 1)


if __name__ == "__main__":
    sys.exit(main())
