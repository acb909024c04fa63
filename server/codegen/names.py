"""What the types are called that an OpenAPI document defines."""

import re
from collections.abc import Iterable, Mapping

__all__ = ["RESERVED", "type_names"]

RESERVED = frozenset((
    "Doc", "FunctionReference", "Id", "TableName", "Tables", "api",
    "any", "bigint", "boolean", "never", "null", "number", "object", "string", "symbol",
    "undefined", "unknown", "void", "false", "infer", "keyof", "this", "true", "typeof",
))  # fmt: skip
"""What the declarations call something else, and what TypeScript does."""


def type_names(definitions: Iterable[str]) -> Mapping[str, str]:
    """A name for each definition, like it where it can be.

    ``Note-Output``, which is ``Note`` where it is shown, is called so; ``Note-Input``, which is
    what may be given, is ``NoteInput``; ``Page_Note_``, a generic type's, is ``PageNote``.
    """
    names: dict[str, str] = {}
    for definition in sorted(definitions):
        name = _name(definition)
        while name in RESERVED or name in names.values():
            name += "_"
        names[definition] = name
    return names


def _name(definition: str) -> str:
    name = definition.removesuffix("-Output")
    if name.endswith("_") or not re.fullmatch(r"[A-Za-z_$][\w$]*", name, re.ASCII):
        words = re.findall(r"[A-Za-z0-9]+", name)
        name = "".join(word[:1].upper() + word[1:] for word in words)
    return f"_{name}" if not name or name[0].isdigit() else name
