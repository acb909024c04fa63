"""Where the code of an application is."""

from pathlib import Path

__all__ = ["folder_of"]


def folder_of(target: str | None) -> Path:
    """The folder of ``file.py:app``; where we are, of a module or of the built-in application."""
    where = (target or "").partition(":")[0]
    return Path(where).resolve().parent if where.endswith(".py") else Path.cwd()
