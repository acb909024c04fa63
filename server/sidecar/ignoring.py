"""Names that are of no interest to those who watch."""

__all__ = ["OWN_PREFIX", "is_ignored"]

OWN_PREFIX = ".headwater-draft-"
"""Of files that are being written, before they get their names."""

_IGNORED = frozenset(
    {
        *(".git", ".hg", ".svn", "node_modules", ".venv", "__pycache__", ".headwater"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".DS_Store"),
    }
)


def is_ignored(name: str) -> bool:
    """Whether a directory or file of that name is passed over, and all that is in it."""
    return name in _IGNORED or name.startswith(OWN_PREFIX)
