"""What happened to files between two scans."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from server.sidecar.line_counts import changed_lines
from server.sidecar.scan import FileState

__all__ = ["Change", "changes_between"]


class Change(NamedTuple):
    """One change of one file.

    Attributes:
        change_type: What happened.
        path: Where the file is; for a DELETE, where it was.
        old_path: Where it was before a RENAME.
        additions: Lines; None where they were not counted: the file is no text, or a large one.
        deletions: The same.
    """

    change_type: Literal["CREATE", "UPDATE", "DELETE", "RENAME"]
    path: str
    old_path: str | None = None
    additions: int | None = None
    deletions: int | None = None


def changes_between(old: Mapping[str, FileState], new: Mapping[str, FileState]) -> list[Change]:
    """The changes that lead from one to the other, by path.

    A file that is gone and one that is new are one that was renamed where it is the same inode,
    or where each is the only one of its content among them: then it went to another file system,
    or was copied and deleted. What was renamed and edited at once by a new inode is two changes.
    """
    gone = {path: state for path, state in old.items() if path not in new}
    come = {path: state for path, state in new.items() if path not in old}
    renamed = _renamed(gone, come)
    changes = [
        Change("RENAME", path, source, *_counted(old[source], new[path]))
        for path, source in renamed.items()
    ]
    sources = set(renamed.values())
    for path, state in come.items():
        if path not in renamed:
            lines = state.lines
            counted = (None, None) if lines is None else (len(lines), 0)
            changes.append(Change("CREATE", path, None, *counted))
    for path, state in gone.items():
        if path not in sources:
            lines = state.lines
            counted = (None, None) if lines is None else (0, len(lines))
            changes.append(Change("DELETE", path, None, *counted))
    for path, state in new.items():
        before = old.get(path)
        if before is not None and _differs(before, state):
            changes.append(Change("UPDATE", path, None, *_counted(before, state)))
    return sorted(changes, key=lambda change: change.path)


def _differs(old: FileState, new: FileState) -> bool:
    """Whether the content may be another; permissions alone are none."""
    if old.content == new.content and old.identity == new.identity:
        return False
    return old.lines is None or old.lines != new.lines


def _counted(old: FileState, new: FileState) -> tuple[int | None, int | None]:
    if old.lines is not None and new.lines is not None:
        return changed_lines(old.lines, new.lines)
    is_same = (old.identity, old.content) == (new.identity, new.content)
    return (0, 0) if is_same else (None, None)


def _renamed(gone: Mapping[str, FileState], come: Mapping[str, FileState]) -> dict[str, str]:
    """Where files of `come` were before, by where they are."""
    # An inode that was freed may be another file's at once: then size or time differ.
    by_identity = {(one.identity, one.content): path for path, one in gone.items()}
    renamed = {
        path: source
        for path, one in come.items()
        if (source := by_identity.pop((one.identity, one.content), None)) is not None
    }
    sources = set(renamed.values())
    left = {path: one for path, one in gone.items() if path not in sources}
    by_lines = _only_of_their_lines(left)
    candidates = {path: one for path, one in come.items() if path not in renamed}
    for lines, path in _only_of_their_lines(candidates).items():
        if lines in by_lines:
            renamed[path] = by_lines[lines]
    return renamed


def _only_of_their_lines(files: Mapping[str, FileState]) -> dict[tuple[int, ...], str]:
    """Files whose text, which is not empty, no other among them has."""
    paths: dict[tuple[int, ...], list[str]] = {}
    for path, state in files.items():
        if state.lines:
            paths.setdefault(tuple(state.lines), []).append(path)
    return {lines: found[0] for lines, found in paths.items() if len(found) == 1}
