"""Which mongod program is taken, and what is said where there is none."""

import os
import sys
from pathlib import Path

import pytest

from server.core.errors import StartupError
from server.store.mongod import find_mongod


def test_the_program_is_the_one_that_is_named(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.touch(0o755)
    assert find_mongod(str(program)) == str(program)
    with pytest.raises(StartupError, match="HEADWATER_MONGOD names '/nowhere/mongod'"):
        find_mongod("/nowhere/mongod")


def test_the_program_is_looked_for_on_the_path_before_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod().endswith("fiftyone/db/bin/mongod")
    (tmp_path / "mongod").touch(0o755)
    assert find_mongod() == str(tmp_path / "mongod")


def test_the_extras_program_gets_its_run_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    program.parent.mkdir(parents=True)
    program.touch(0o644)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert find_mongod() == str(program)
    assert os.access(program, os.X_OK)


def test_without_any_program_the_cure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(StartupError, match=r"headwater\[embedded\].*HEADWATER_MONGODB_URI"):
        find_mongod()
