"""A directory that no path leads out of."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.sidecar import limits
from server.sidecar.confined import Confined
from server.sidecar.paths import Refused


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.txt").write_text("inside")
    return folder


@pytest.fixture
def confined(root: Path) -> Iterator[Confined]:
    directory = Confined(root)
    yield directory
    directory.close()


@pytest.mark.parametrize(
    "path",
    ["../outside/secret", "x/../../outside/secret", "/etc/passwd", "//etc/passwd", "..", "a.txt/..",
     "a\0b", "x" * 2_000, "", ".", "\ud800", "a.txt/b", "nothing"],
)  # fmt: skip
def test_a_path_that_leads_out_or_nowhere_is_refused(
    confined: Confined, outside: Path, path: str
) -> None:
    with pytest.raises(Refused):
        confined.read(path)
    with pytest.raises(Refused):
        confined.write(path if path != "nothing" else "a.txt/c", b"x")
    assert (outside / "secret").read_text() == "secret"


def test_links_are_followed_nowhere(confined: Confined, root: Path, outside: Path) -> None:
    (root / "file").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "within").symlink_to(root / "a.txt")
    (root / "nowhere").symlink_to(outside / "new")
    for path in ("file", "folder/secret", "within"):
        with pytest.raises(Refused):
            confined.read(path)
    for path in ("file", "folder/new", "nowhere", "folder/a/b"):
        with pytest.raises(Refused):
            confined.write(path, b"x")
    for path in ("folder",):
        with pytest.raises(Refused):
            list(confined.entries(path))
        with pytest.raises(Refused):
            confined.folder_path(path)
    found = [(one.path, one.kind) for one in confined.entries(".", recursive=True)]
    assert ("folder", "link") in found
    assert not [path for path, _ in found if "secret" in path]
    assert [one.name for one in outside.iterdir()] == ["secret"]


def test_a_link_that_comes_between_the_look_and_the_use_leads_nowhere(
    confined: Confined, root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = root / "file"
    target.write_text("inside")
    lstat = os.lstat

    def swap_then_look(*args: object, **more: object) -> os.stat_result:
        found = lstat(*args, **more)  # type: ignore[arg-type]
        target.unlink()
        target.symlink_to(outside / "secret")
        return found

    monkeypatch.setattr(os, "lstat", swap_then_look)
    with pytest.raises(Refused):
        confined.read("file")
    monkeypatch.undo()
    target.unlink()
    target.write_text("inside")
    monkeypatch.setattr(os, "lstat", swap_then_look)
    confined.write("file", b"written")
    monkeypatch.undo()
    assert (outside / "secret").read_text() == "secret"
    assert target.read_text() == "written"
    assert not target.is_symlink()


def test_what_is_no_file_is_neither_read_nor_waited_for(confined: Confined, root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket"))
        for name in ("pipe", "folder", "socket"):
            with pytest.raises(Refused):
                confined.read(name)
            with pytest.raises(Refused):
                confined.write(name, b"x")


def test_a_huge_file_is_read_in_slices(confined: Confined, root: Path) -> None:
    with (root / "huge").open("wb") as file:
        file.truncate(1 << 40)
    slice_ = confined.read("huge", (1 << 40) - 10)
    assert (len(slice_.data), slice_.size) == (10, 1 << 40)
    assert len(confined.read("huge").data) == limits.READ_BYTES_MAX
    assert confined.read("a.txt", 2**52) == (b"", 6)


def test_a_file_is_written_with_its_directories_and_keeps_its_mode(
    confined: Confined, root: Path
) -> None:
    assert confined.write("new/deep/b.sh", b"1") is True
    (root / "new/deep/b.sh").chmod(0o750)
    assert confined.write("./new//deep/b.sh", b"22") is False
    assert (root / "new/deep/b.sh").read_bytes() == b"22"
    assert (root / "new/deep/b.sh").stat().st_mode & 0o777 == 0o750
    assert [one.path for one in confined.entries("new/deep")] == ["new/deep/b.sh"]


def test_names_that_are_not_text_are_shown(confined: Confined, root: Path) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))).write_text("x")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x").write_text("x")
    found = {one.path: one.kind for one in confined.entries("", recursive=True)}
    assert found == {"a.txt": "file", "caf\\xe9": "file", "node_modules": "directory"}


def test_the_directory_stays_the_one_that_it_was(
    confined: Confined, root: Path, outside: Path
) -> None:
    root.rename(root.with_name("moved"))
    root.symlink_to(outside)
    assert confined.read("a.txt").data == b"inside"
    with pytest.raises(Refused):
        confined.read("secret")
