"""What Claude takes as a tool: how it may be called, and the JSON Schema of its input.

Pure.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools
"""

import re
from collections.abc import Mapping
from typing import Any, cast

__all__ = ["TOOL_NAME", "unfit_schema"]

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What the whole of a tool's name must match."""

_PROPERTY_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")


def unfit_schema(schema: Mapping[str, Any]) -> str | None:
    """Why Claude would refuse `schema` as that of a tool's input, and the cure; None if it fits.

    Only the outermost level is looked at: that is where Claude wants more than JSON Schema does.
    """
    if schema.get("type") != "object":
        return "its parameters must be a JSON Schema of type object"
    for name in _ALTERNATIVES:
        if name in schema:
            return (
                f"its parameters have {name} at the top, which Claude does not take; list every "
                "property under properties and say in the description which go together, or move "
                f"the {name} into a property"
            )
    properties: object = _given(schema, "properties", {})
    if not _is_schemas(properties):
        return "the properties of its parameters must be an object of JSON Schemas by name"
    for name in cast("dict[str, Any]", properties):
        if not _PROPERTY_NAME.fullmatch(name):
            return (
                f"its parameters have the property {name[:100]!r}; name properties with letters, "
                "digits, and _ . - alone, 1 to 64 of them"
            )
    required: object = _given(schema, "required", [])
    if not isinstance(required, list) or not all(
        isinstance(one, str) for one in cast("list[object]", required)
    ):
        return "the required of its parameters must be a list of the names of properties"
    return None


def _given(schema: Mapping[str, Any], name: str, absent: object) -> object:
    """What the schema says of `name`; null is as good as nothing."""
    return absent if schema.get(name) is None else schema[name]


def _is_schemas(properties: object) -> bool:
    return isinstance(properties, dict) and all(
        isinstance(one, dict | bool) for one in cast("dict[str, Any]", properties).values()
    )
