"""What ``file.py:app`` and ``module:app`` name."""

import importlib
import importlib.util
import os
import sys
import traceback
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from server.app import Headwater
from server.core.errors import StartupError

__all__ = ["load_app"]


def load_app(target: str) -> Headwater:
    """The application that `target` names, as ``file.py:app`` or ``module:app``.

    Raises:
        StartupError: There is no such application, or its code fails, which is told before.
    """
    where, _, name = target.partition(":")
    try:
        module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    except StartupError:
        raise
    except Exception as error:  # noqa: BLE001  # the code is not ours
        _print_from_its_code_on(error)
        raise StartupError(f"{where} cannot be imported; the lines above say why.") from None
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
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]  # as an import does
        raise
    return module


def _print_from_its_code_on(error: Exception) -> None:
    """Without the frames that led to the application's code, which say nothing of the fault."""
    trace = error.__traceback__
    while trace is not None and _leads_there(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace))


def _leads_there(filename: str) -> bool:
    return filename in (__file__, importlib.__file__) or filename.startswith("<frozen importlib")


def _hides_a_module(path: Path) -> bool:
    """Whether its name is that of another, be it imported already or only later."""
    if path.stem in sys.modules or path.stem in sys.stdlib_module_names:
        return True
    other = PathFinder.find_spec(path.stem)
    return other is not None and other.origin not in (None, str(path.resolve()))
