"""Every function of an application, by its wire name, and every table that they use."""

import hashlib
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import orjson

from schemas.document import Document
from schemas.names import stored_name
from server.core.errors import UnknownFunction
from server.runtime.functions import Function, Kind

__all__ = ["Catalog"]


class Catalog:
    """The functions of some modules.

    Attributes:
        tables: The Documents that the modules define or import, one for each collection.
    """

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._modules = list(modules)
        self._functions: dict[str, Function[..., Any]] = {}
        tables: dict[str, type[Document]] = {}
        for module in self._modules:
            prefix = _module_name(module)
            for name, value in cast("dict[str, object]", vars(module)).items():
                if isinstance(value, Function):
                    if value.__module__ == module.__name__:
                        function = cast("Function[..., Any]", value)
                        self._add(f"{prefix}.{stored_name(name)}", function)
                elif inspect.isclass(value) and issubclass(value, Document) and value.collection:
                    known = tables.setdefault(value.collection, value)
                    if known is not value:
                        raise ValueError(
                            f"{known.__qualname__} and {value.__qualname__} both keep the "
                            f"collection {value.collection!r}; give one of them another."
                        )
        self.tables = tuple(tables.values())

    def _add(self, name: str, function: Function[..., Any]) -> None:
        if name in self._functions:
            raise ValueError(f"Two functions are called {name!r}; rename one or its module.")
        self._functions[name] = function

    def __iter__(self) -> Iterator[tuple[str, Function[..., Any]]]:
        """Wire name and function, internal ones included, in order of name."""
        return iter(sorted(self._functions.items()))

    def find(self, name: str, kind: Kind) -> Function[..., Any]:
        """The public function `name`.

        Raises:
            UnknownFunction: There is none, it is internal, or it is of another kind.
        """
        function = self._functions.get(name)
        if function is None or function.internal:
            raise UnknownFunction(
                f"There is no {kind} {name[:200]!r}. Names are module.function in camelCase; "
                "/openapi.json lists them."
            )
        if function.kind != kind:
            article = "an" if function.kind == "action" else "a"
            raise UnknownFunction(
                f"{name!r} is {article} {function.kind}, not a {kind}; call it by "
                f"POST /api/{function.kind}/{name}."
            )
        return function

    def name_of(self, function: Function[..., Any]) -> str:
        """The wire name of `function`."""
        return next(name for name, one in self._functions.items() if one is function)

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
            schema = table.model_json_schema(mode="serialization")
            digest.update(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
        return f"{int.from_bytes(digest.digest()[:8]) % 36**6:06x}"[-6:]


def _module_name(module: ModuleType) -> str:
    """The last component, or for a script its file's name."""
    name = module.__name__.rpartition(".")[2]
    if name == "__main__" and module.__file__ is not None:
        name = Path(module.__file__).stem
    return stored_name(name)
