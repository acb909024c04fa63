"""Types and sizes of the browser's modules.

Where npm cannot reach a registry this says so and passes, but not in CI.
"""

import os
import sys

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
    return run_node("typescript/bin/tsc", *project, *types).returncode


if __name__ == "__main__":
    sys.exit(main())
