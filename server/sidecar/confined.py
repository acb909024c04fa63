"""A directory out of which no path leads.

Each name on a path is opened in the directory before it, by descriptor, without following links:
there is no moment between looking and opening in which somebody could put a link in its place.
Source: openat(2), "Rationale for openat() and other directory file descriptor APIs".
"""

import errno
import os
import secrets
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from server.sidecar import limits
from server.sidecar.ignoring import OWN_PREFIX, is_ignored
from server.sidecar.paths import Refused, parts_of, shown

__all__ = ["Confined", "Entry", "Slice"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that nobody writes to must not hold us up, nor a terminal become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Slice(NamedTuple):
    """Bytes of a file.

    Attributes:
        data: From the offset on, `READ_BYTES_MAX` at most.
        size: Of the whole file, in bytes.
    """

    data: bytes
    size: int


class Entry(NamedTuple):
    """What lies in a directory.

    Attributes:
        path: From the root.
        kind: ``file``, ``directory``, ``link`` or ``other``.
        size: In bytes, of a file.
    """

    path: str
    kind: str
    size: int | None


class Confined:
    """A directory and what is in it; close it.

    Args:
        path: Where it is. It may be a link itself; it stays the directory that it is now.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve(strict=True)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)

    def read(self, path: str, offset: int = 0) -> Slice:
        """Read of a regular file.

        Raises:
            Refused: There is none that may be read.
        """
        *folders, name = _named(path)
        with _explained(path), self._folder(folders) as folder:
            _check_regular(os.lstat(name, dir_fd=folder), path)  # opening a device can do things
            with os.fdopen(os.open(name, _FILE, dir_fd=folder), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                _check_regular(status, path)
                if offset >= status.st_size:
                    return Slice(b"", status.st_size)
                file.seek(offset)
                return Slice(_read_up_to(file.fileno(), limits.READ_BYTES_MAX), status.st_size)

    def write(self, path: str, data: bytes) -> bool:
        """Write a whole file, with the directories that lead to it; whether it is new.

        A reader sees what was there before or all of `data`.

        Raises:
            Refused: It may not be written.
        """
        *folders, name = _named(path)
        with _explained(path), self._folder(folders, create=True) as folder:
            mode = None
            with suppress(FileNotFoundError):
                status = os.lstat(name, dir_fd=folder)
                _check_regular(status, path)
                mode = stat.S_IMODE(status.st_mode)
            draft = f"{OWN_PREFIX}{secrets.token_hex(8)}"
            fd = os.open(draft, _NEW, 0o666, dir_fd=folder)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
                    if mode is not None:
                        os.fchmod(fd, mode)
                # A link that came in the meantime is replaced, not followed.
                os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
                raise
            return mode is None

    def entries(self, path: str, *, recursive: bool = False) -> Iterator[Entry]:
        """What is in a directory, by name, what is ignored not entered.

        Raises:
            Refused: There is none that may be listed.
        """
        parts = parts_of(path)
        with _explained(path), self._folder(parts) as folder:
            yield from _entries(folder, "/".join(parts), recursive, len(parts))

    def folder_path(self, path: str) -> Path:
        """The place of a directory, for a program that knows no descriptors.

        Raises:
            Refused: There is none.
        """
        parts = parts_of(path)
        with _explained(path), self._folder(parts):
            return self.path.joinpath(*parts)

    @contextmanager
    def _folder(self, parts: list[str], *, create: bool = False) -> Generator[int]:
        """The descriptor of a directory, reached name by name."""
        fd = os.dup(self.fd)
        try:
            for part in parts:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=fd)
                inner = os.open(part, _DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)


def _entries(folder: int, prefix: str, recursive: bool, depth: int) -> Iterator[Entry]:
    with os.scandir(folder) as found:
        inside = sorted(found, key=lambda one: one.name)
    for one in inside:
        if one.name.startswith(OWN_PREFIX):
            continue
        path = f"{prefix}/{one.name}" if prefix else one.name
        try:
            status = one.stat(follow_symlinks=False)
        except OSError:
            continue  # gone since
        yield _entry(path, status)
        if not (recursive and stat.S_ISDIR(status.st_mode)):
            continue
        if is_ignored(one.name) or depth >= limits.DEPTH_MAX:
            continue
        try:
            inner = os.open(one.name, _DIRECTORY, dir_fd=folder)
        except OSError:
            continue  # gone, closed to us, or a link by now
        try:
            yield from _entries(inner, path, recursive, depth + 1)
        finally:
            os.close(inner)


def _entry(path: str, status: os.stat_result) -> Entry:
    if stat.S_ISREG(status.st_mode):
        return Entry(shown(path), "file", status.st_size)
    if stat.S_ISDIR(status.st_mode):
        return Entry(shown(path), "directory", None)
    return Entry(shown(path), "link" if stat.S_ISLNK(status.st_mode) else "other", None)


def _named(path: str) -> list[str]:
    parts = parts_of(path)
    if not parts:
        raise Refused(f"{path!r} is the workspace itself; name a file in it.")
    return parts


def _check_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Refused(f"{path!r} is a symbolic link; name what it points to.")
    if stat.S_ISDIR(status.st_mode):
        raise Refused(f"{path!r} is a directory.")
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{path!r} is no regular file.")


def _read_up_to(fd: int, count: int) -> bytes:
    parts: list[bytes] = []
    while count > 0 and (part := os.read(fd, count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


@contextmanager
def _explained(path: str) -> Generator[None]:
    """Says in a sentence why the system refused."""
    try:
        yield
    except FileNotFoundError:
        raise Refused(f"There is no {path!r}.") from None
    except OSError as error:
        # Which of the two it is when a link stands where a directory should differs by platform.
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            raise Refused(f"{path!r} leads over a link or a file, not a directory.") from None
        raise Refused(f"{path!r}: {os.strerror(error.errno or 0).lower()}.") from None
