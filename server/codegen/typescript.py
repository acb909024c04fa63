"""JSON Schema as TypeScript."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from schemas.reference import TABLE_KEY
from server.codegen.comments import commented

__all__ = ["NOTHING", "Referring", "property_name", "quoted", "type_of"]

Referring = Callable[[str], str]
"""How the type is written that a ``$ref`` leads to."""

NOTHING = "{ [key: string]: never }"
"""An object without properties: ``{}`` would take any."""

_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_LINE_MAX = 60
"""Longer objects have a line for each property."""


def type_of(schema: Any, referring: Referring, indent: str = "") -> str:
    """The type of the values that `schema` describes; ``unknown`` where it does not say.

    Args:
        schema: It.
        referring: Writes references.
        indent: Of the line on which the type begins.
    """
    return _Writer(referring, indent).type_of(schema)


def property_name(name: str) -> str:
    """`name` as a property; quoted where it must be."""
    return name if _NAME.fullmatch(name) else quoted(name)


def quoted(text: str) -> str:
    """`text` as a literal that is the same in JavaScript, TypeScript and JSON."""
    return json.dumps(text)


class _Writer:
    def __init__(self, referring: Referring, indent: str) -> None:
        self._referring = referring
        self._indent = indent

    def type_of(self, schema: Any) -> str:
        match schema:
            case False:
                return "never"
            case {"$ref": str(reference)}:
                return self._referring(reference)
            case {"const": value}:
                return _literal(value)
            case {"enum": [*values]}:
                return _union(map(_literal, values))
            case {"anyOf": [*choices]} | {"oneOf": [*choices]}:
                return _union(map(self.type_of, choices))
            case {"allOf": [*parts]}:
                return " & ".join(f"({self.type_of(part)})" for part in parts) or "unknown"
            case {"type": [*kinds]}:
                return _union(self.type_of({**schema, "type": kind}) for kind in kinds)
            case {"type": "string"}:
                table = schema.get(TABLE_KEY)
                return "string" if table is None else f"Id<{quoted(str(table))}>"
            case {"type": "integer" | "number"}:
                return "number"
            case {"type": "boolean" | "null" as kind}:
                return str(kind)
            case {"type": "array"}:
                return self._array(schema)
            case {"type": "object"} | {"properties": _}:
                return self._object(schema)
            case _:
                return "unknown"

    def _array(self, schema: Mapping[str, Any]) -> str:
        rest = schema.get("items", True)
        if "prefixItems" in schema or schema.get("maxItems") == 0:
            items = [self.type_of(one) for one in schema.get("prefixItems", ())]
            if "maxItems" not in schema and rest is not False:
                items.append(f"...{self._item(rest)}[]")
            return f"[{', '.join(items)}]"
        return f"{self._item(rest)}[]"

    def _item(self, schema: Any) -> str:
        item = self.type_of(schema)
        composed = isinstance(schema, Mapping) and not {"$ref", "properties"} & schema.keys()
        return f"({item})" if composed and (" | " in item or " & " in item) else item

    def _object(self, schema: Mapping[str, Any]) -> str:
        properties = cast("Mapping[str, Any]", schema.get("properties", {}))
        more = schema.get("additionalProperties", "properties" not in schema)
        if not properties:
            return NOTHING if more is False else self._record(schema, more)
        inner = _Writer(self._referring, self._indent + "  ")
        required = cast("list[str]", schema.get("required", []))
        lines = [
            (_comment(one, inner._indent), f"{_key(name, name in required)}: {inner.type_of(one)};")
            for name, one in properties.items()
        ]
        if more is not False:  # of whatever type, since the others must fit it too
            lines.append(("", "[key: string]: unknown;"))
        short = f"{{ {' '.join(line for _, line in lines).removesuffix(';')} }}"
        plain = "\n" not in short and not any(comment for comment, _ in lines)
        if plain and len(short) <= _LINE_MAX:
            return short
        body = "".join(f"{comment}{inner._indent}{line}\n" for comment, line in lines)
        return f"{{\n{body}{self._indent}}}"

    def _record(self, schema: Mapping[str, Any], more: Any) -> str:
        value = self.type_of(more)
        names = schema.get("propertyNames")
        if isinstance(names, Mapping) and {"enum", "const", "$ref"} & names.keys():
            return f"{{ [key in {self.type_of(names)}]?: {value} }}"
        return f"{{ [key: string]: {value} }}"


def _key(name: str, required: bool) -> str:
    return f"{property_name(name)}{'' if required else '?'}"


def _comment(schema: Any, indent: str) -> str:
    if not isinstance(schema, dict):
        return ""
    described = cast("dict[str, Any]", schema)
    choices = cast("list[dict[str, Any]]", described.get("anyOf", []))
    # A date that may be null says what it is inside of the choice.
    said = [one["description"] for one in (described, *choices) if "description" in one]
    default = described.get("default")
    tags = [] if default is None else [f"@default {json.dumps(default)}"]
    return commented(str(said[0]) if said else "", indent, *tags)


def _literal(value: Any) -> str:
    return json.dumps(value) if value is None or isinstance(value, str | int | float) else "unknown"


def _union(types: Iterable[str]) -> str:
    """Each once, null at the end."""
    each = dict.fromkeys(types)
    if "unknown" in each or not each:
        return "unknown"
    return " | ".join(sorted(each, key=lambda one: one == "null"))
