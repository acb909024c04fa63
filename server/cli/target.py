"""What ``file.py:app`` and ``module:app`` name."""

import importlib
import importlib.util
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from server.app import Headwater
from server.core.errors import StartupError

__all__ = ["load_app"]


def load_app(target: str) -> Headwater:
    """The application that `target` names, as ``file.py:app`` or ``module:app``.

    Raises:
        StartupError: There is no such application.
    """
    where, _, name = target.partition(":")
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    if module is None:
        raise StartupError(
            f"There is no app at {target!r}, for there is no such file or module; name it as "
            "file.py:app or module:app."
        )
    found = getattr(module, name or "app", None)
    if not isinstance(found, Headwater):
        what = f"has no {name or 'app'!r}"
        if found is not None:
            what = f"has a {type(found).__name__} called {name or 'app'!r}, not a Headwater app"
        raise StartupError(
            f"{where} {what}; name one made by create_app(functions=[…]), or serve an app of "
            "another kind, which mounts one, by its own server."
        )
    return found


def _load_module(name: str) -> ModuleType | None:
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name or name.startswith(f"{error.name}."):
            return None
        raise  # it is there, and lacks another: the trace tells which line wants it


def _load_file(path: Path) -> ModuleType | None:
    if not path.is_file():
        return None
    if _hides_a_module(path):
        raise StartupError(
            f"{path.name} would hide the Python module {path.stem!r}; give the file another name."
        )
    sys.path.insert(0, str(path.parent.resolve()))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def _hides_a_module(path: Path) -> bool:
    """Whether its name is that of another, be it imported already or only later."""
    if path.stem in sys.modules or path.stem in sys.stdlib_module_names:
        return True
    other = PathFinder.find_spec(path.stem)
    return other is not None and other.origin not in (None, str(path.resolve()))
