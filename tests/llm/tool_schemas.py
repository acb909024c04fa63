"""Schemas that Claude does not take of a tool, and those it does."""

from typing import Any

REFUSED_SCHEMAS: list[tuple[Any, str]] = [
    ({"type": "string"}, "type object"),
    ({"type": ["object"]}, "type object"),
    ({"type": None}, "type object"),
    ({"type": "object", "anyOf": [{"required": ["a"]}]}, "top level"),
    ({"type": "object", "oneOf": []}, "top level"),
    ({"type": "object", "allOf": [{"properties": {}}]}, "top level"),
    ({"type": "object", "properties": []}, "JSON schema is invalid"),
    ({"type": "object", "properties": "path"}, "JSON schema is invalid"),
    ({"type": "object", "properties": {"path": "string"}}, "JSON schema is invalid"),
    ({"type": "object", "properties": {"path": None}}, "JSON schema is invalid"),
    ({"type": "object", "properties": {"a path": {}}}, "Property keys"),
    ({"type": "object", "properties": {"größe": {}}}, "Property keys"),
    ({"type": "object", "properties": {"": {}}}, "Property keys"),
    ({"type": "object", "properties": {"a" * 65: {}}}, "Property keys"),
    ({"type": "object", "required": "path"}, "JSON schema is invalid"),
    ({"type": "object", "required": ""}, "JSON schema is invalid"),
    ({"type": "object", "required": True}, "JSON schema is invalid"),
    ({"type": "object", "required": {"path": True}}, "JSON schema is invalid"),
    ({"type": "object", "required": ["path", 1]}, "JSON schema is invalid"),
]
"""Each with some of the words of the refusal."""

TAKEN_SCHEMAS: list[dict[str, Any]] = [
    {"type": "object"},
    {"type": "object", "properties": None, "required": None},
    {"type": "object", "properties": {"a" * 64: True, "a-b_c.9": {}}, "required": []},
    {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}},
    {"type": "object", "required": ["not_named"], "additionalProperties": False},
]
