"""On what, with what: numbers mean nothing without it."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

__all__ = ["described"]

PACKAGES = ("pymongo", "uvicorn", "starlette", "sse-starlette", "uvloop", "httptools", "orjson")


def described(mongod_version: str, root: Path) -> list[str]:
    """The machine, the versions, the revision."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        f"machine   {found[1] if found else platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}, load average {load}",
        f"versions  Python {platform.python_version()}, mongod {mongod_version}, {packages}",
        f"headwater {version('headwater')}, {_revision(root)}",
    ]


def _revision(root: Path) -> str:
    """The git revision, and whether the tree is as committed."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603  # ours
        return done.stdout.strip()

    try:
        revision = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--", "server", "schemas")
    except (OSError, subprocess.CalledProcessError):
        return "revision unknown"
    return f"revision {revision}{' with local changes' if changed else ''}"
