"""Every function of an application, by its wire name, and every table that they use."""

import hashlib
import importlib
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import orjson

from schemas.document import Document
from schemas.names import stored_name
from server.core.errors import StartupError, UnknownFunction
from server.runtime.every import Every
from server.runtime.functions import Function, Kind
from server.runtime.tools import Tool

__all__ = ["Catalog"]


class Catalog:
    """The functions of some modules.

    Args:
        modules: Modules, or names of modules that are being imported or are; a file that names
            itself writes ``[__name__]`` below its functions. A module that is named twice counts
            once.
        built_in: The public functions of the built-in application, which this one may leave out.

    Attributes:
        tables: The Documents that the modules define or import, one for each collection.
        tools: The tools that this server runs, by the names that Claude calls them by.
        everies: What runs by itself, by wire name.

    Raises:
        StartupError: Two functions share a name, two tables a collection, or a module has neither.
    """

    def __init__(self, modules: Iterable[ModuleType | str], built_in: Iterable[str] = ()) -> None:
        self._modules = list(dict.fromkeys(map(_module, modules)))
        self._built_in = frozenset(built_in)
        self._functions: dict[str, Function[..., Any]] = {}
        self._names: dict[int, str] = {}
        self._tables: dict[str, type[Document]] = {}
        self.tools: dict[str, Tool[..., Any]] = {}
        self.everies: dict[str, Every] = {}
        for module in self._modules:
            if not self._collect(module):
                raise StartupError(
                    f"The module {module.__name__!r} has no query, mutation, action or table; "
                    "where it makes the app of itself, create_app comes below all of them."
                )
        self.tables = tuple(self._tables.values())
        self._spelt = {_letters(name): name for name in self.public_names}

    def _collect(self, module: ModuleType) -> bool:
        """Take the functions and tables of `module`; whether it has any."""
        prefix, found = _module_name(module), False
        for name, value in cast("dict[str, object]", vars(module)).items():
            if isinstance(value, Function | Every):
                if value.__module__ == module.__name__:
                    self._add(f"{prefix}.{stored_name(name)}", cast("Any", value))
                    found = True
            elif inspect.isclass(value) and issubclass(value, Document) and value.collection:
                self._add_table(value)
                found = True
        return found

    def _add_table(self, table: type[Document]) -> None:
        known = self._tables.setdefault(table.collection, table)
        if known is not table:
            raise StartupError(
                f"{known.__qualname__} and {table.__qualname__} both keep the collection "
                f"{table.collection!r}; give one of them another."
            )

    def _add(self, name: str, function: Function[..., Any] | Every) -> None:
        match function:
            case Every():
                known, key = self.everies, name
            case Tool():
                known, key = self.tools, function.__name__
            case _:
                known, key = self._functions, name
        if key in known:
            raise StartupError(f"Two functions are called {key!r}; rename one or its module.")
        cast("dict[str, Any]", known)[key] = function
        self._names.setdefault(id(function), name)

    def __iter__(self) -> Iterator[tuple[str, Function[..., Any]]]:
        """Wire name and function, internal ones included, in order of name."""
        return iter(sorted(self._functions.items()))

    @property
    def public_names(self) -> list[str]:
        """The wire names that the network may call."""
        return [name for name, function in self if not function.internal]

    def names(self, kind: Kind) -> list[str]:
        """The wire names of the functions of one kind, internal ones included."""
        return [name for name, function in self if function.kind == kind]

    def get(self, name: str) -> Function[..., Any] | None:
        """The function of this wire name, internal ones included; None where there is none."""
        return self._functions.get(name)

    def name_of(self, function: Function[..., Any]) -> str | None:
        """The wire name of a function, internal ones included; None where it is not of these."""
        return self._names.get(id(function))

    def find(self, name: str, kind: Kind) -> Function[..., Any]:
        """The public function `name`.

        Raises:
            UnknownFunction: There is none, it is internal, or it is of another kind.
        """
        function = self._functions.get(name)
        if function is None and name in self._built_in:
            raise UnknownFunction(
                f"This app leaves out {name!r}, which the built-in application has; to have it "
                "too, write create_app(functions=[*server.functions.ALL, …])."
            )
        if function is None or function.internal:
            meant = self._spelt.get(_letters(name))
            raise UnknownFunction(
                f"There is no {kind} {name[:200]!r}"
                + (f"; {meant!r} is there. " if meant else ". ")
                + "Names are module.function in camelCase; /openapi.json lists them."
            )
        if function.kind != kind:
            article = "an" if function.kind == "action" else "a"
            raise UnknownFunction(
                f"{name!r} is {article} {function.kind}, not a {kind}; call it by "
                f"POST /api/{function.kind}/{name}."
            )
        return function

    def build(self, database_id: str) -> str:
        """A fingerprint of the functions, the tables and the database.

        Positions of different fingerprints cannot be continued from one another, because the same
        query could have given another value.
        """
        digest = hashlib.sha256(database_id.encode())
        for module in sorted(self._modules, key=lambda one: one.__name__):
            digest.update(module.__name__.encode())
            source = getattr(module, "__file__", None)
            if source is not None and Path(source).is_file():
                digest.update(Path(source).read_bytes())
        for table in sorted(self.tables, key=lambda one: one.collection):
            schema = table.model_json_schema()
            digest.update(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
        return f"{int.from_bytes(digest.digest()[:8]) % 36**6:06x}"[-6:]


def _module(module: ModuleType | str) -> ModuleType:
    return importlib.import_module(module) if isinstance(module, str) else module


def _letters(name: str) -> str:
    """What is left of a name that was spelt as Python, or as Convex, would have it."""
    return name[:200].translate({ord(mark): None for mark in "._:/"}).lower()


def _module_name(module: ModuleType) -> str:
    """The last component, or for a script its file's name."""
    name = module.__name__.rpartition(".")[2]
    if name == "__main__" and module.__file__ is not None:
        name = Path(module.__file__).stem
    return stored_name(name)
