"""What files a directory has, read anew in one go.

What did not change since the scan before is not read again. Links are seen and never followed.
"""

import os
import stat
from collections.abc import Mapping
from typing import NamedTuple

from server.sidecar import limits
from server.sidecar.confined import Confined
from server.sidecar.ignoring import is_ignored
from server.sidecar.line_counts import Lines, lines_of
from server.sidecar.paths import shown

__all__ = ["FileState", "Scan", "scan"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class FileState(NamedTuple):
    """One file, as a scan found it.

    Attributes:
        identity: Device and inode: what a renamed file keeps.
        version: Changes with the content: time of modification in ns, size in bytes, and time of
            change of the inode in ns.
        lines: Of a text; None for what is none, or is too large.
    """

    identity: tuple[int, int]
    version: tuple[int, int, int]
    lines: Lines | None

    @property
    def content(self) -> tuple[int, int]:
        """What of the version a rename leaves as it was."""
        return self.version[:2]


class Scan(NamedTuple):
    """All files.

    Attributes:
        files: By their paths, as text.
        is_whole: Whether there were no more than `FILES_MAX`.
    """

    files: Mapping[str, FileState]
    is_whole: bool


class _Full(Exception):
    """There are more files than are watched."""


def scan(directory: Confined, before: Scan | None = None) -> Scan:
    """Look at all files; blocks while the disk is read."""
    scanning = _Scanning(before.files if before is not None else {})
    try:
        scanning.enter(os.dup(directory.fd), "", 0)
    except _Full:
        return Scan(scanning.files, is_whole=False)
    return Scan(scanning.files, is_whole=True)


class _Scanning:
    def __init__(self, before: Mapping[str, FileState]) -> None:
        self.files: dict[str, FileState] = {}
        self._before = before
        self._lines_left = limits.LINES_KEPT_MAX

    def enter(self, fd: int, prefix: str, depth: int) -> None:
        """Take in what is in a directory, and close it."""
        try:
            with os.scandir(fd) as found:
                inside = sorted(found, key=lambda one: one.name)
            for one in inside:
                if not is_ignored(one.name):
                    self._take(fd, one, f"{prefix}{one.name}", depth)
        except OSError:
            return  # gone since, or closed to us
        finally:
            os.close(fd)

    def _take(self, folder: int, one: os.DirEntry[str], path: str, depth: int) -> None:
        try:
            status = one.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if depth < limits.DEPTH_MAX:
                    inner = os.open(one.name, _DIRECTORY, dir_fd=folder)
                    self.enter(inner, f"{path}/", depth + 1)
                return
            if len(self.files) >= limits.FILES_MAX:
                raise _Full
            self.files[shown(path)] = self._state(folder, one.name, shown(path), status)
        except OSError:
            return

    def _state(self, folder: int, name: str, path: str, status: os.stat_result) -> FileState:
        identity = status.st_dev, status.st_ino
        version = status.st_mtime_ns, status.st_size, status.st_ctime_ns
        known = self._before.get(path)
        if known is not None and (known.identity, known.version) == (identity, version):
            lines = known.lines
        elif stat.S_ISREG(status.st_mode) and status.st_size <= limits.TEXT_BYTES_MAX:
            lines = _read_lines(folder, name)
        else:
            lines = None
        if lines is not None:
            if len(lines) > self._lines_left:
                return FileState(identity, version, None)
            self._lines_left -= len(lines)
        return FileState(identity, version, lines)


def _read_lines(folder: int, name: str) -> Lines | None:
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
    except OSError:
        return None  # closed to us, or something else by now
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        data = file.read(limits.TEXT_BYTES_MAX + 1)
    return lines_of(data) if len(data) <= limits.TEXT_BYTES_MAX else None
