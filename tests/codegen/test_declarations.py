"""What `server.codegen` makes of OpenAPI documents, of such as no server of ours sends too."""

from typing import Any

import pytest

from server.codegen import UnfitDocument, declarations, read_application


def document(name: str = "a.b", *, value: Any = True, **definitions: Any) -> dict[str, Any]:
    """One query without arguments."""
    arguments = {"type": "object", "properties": {}, "additionalProperties": False}
    answer = {"schema": {"type": "object", "properties": {"value": value}}}
    operation = {
        "summary": name,
        "requestBody": {"content": {"application/json": {"schema": arguments}}},
        "responses": {"200": {"content": {"application/json": answer}}},
    }
    return {
        "paths": {f"/api/query/{name}": {"post": operation}},
        "components": {"schemas": definitions},
    }


def result(value: Any, **definitions: Any) -> str:
    """The type of a query's result."""
    text = declarations(read_application(document(value=value, **definitions)), "c")
    return text.partition("never }, ")[2].partition(">;\n")[0]


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({}, "unknown"),
        (True, "unknown"),
        (False, "never"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}, {"type": "number"}]}, "number | null"),
        ({"anyOf": [{"type": "null"}, {}]}, "unknown"),
        ({"enum": ["a", 1, -0.5, None, True]}, '"a" | 1 | -0.5 | true | null'),
        ({"const": 'a"\n\u2028'}, r'"a\"\n\u2028"'),
        ({"type": "array"}, "unknown[]"),
        ({"type": "array", "items": {"enum": [1, 2]}}, "(1 | 2)[]"),
        ({"type": "array", "maxItems": 0}, "[]"),
        (
            {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "string"}},
            "[null, ...string[]]",
        ),
        ({"allOf": [{"type": "string"}, {"const": "a"}]}, '(string) & ("a")'),
        ({"type": "object"}, "{ [key: string]: unknown }"),
        ({"type": "object", "properties": {"a b": {}}}, '{ "a b"?: unknown }'),
        ({"type": "string", "x-headwater-table": 'a"b'}, r'Id<"a\"b">'),
        ({"$ref": "#/components/schemas/Nowhere"}, "unknown"),
        ({"type": "new in some later version"}, "unknown"),
    ],
)
def test_a_schema_is_a_type(schema: Any, type_: str) -> None:
    assert result(schema) == type_


def test_definitions_keep_apart_whatever_they_are_called() -> None:
    names = ["string", "Note-Output", "Note-Input", "Page_Note_", "a.b.Note", "Id", "1st"]
    definitions = {name: {"const": name} for name in names}
    references = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    written = result({"anyOf": references}, **definitions)
    assert written == "string_ | Note | NoteInput | PageNote | ABNote | Id_ | _1st"


def test_a_definition_may_refer_to_itself() -> None:
    itself = {"$ref": "#/components/schemas/Tree"}
    tree = {"type": "object", "properties": {"below": {"type": "array", "items": itself}}}
    application = read_application(document(value=itself, Tree=tree))
    assert "export type Tree = { below?: Tree[] };\n" in declarations(application, "c")


def test_what_no_function_speaks_of_is_left_out() -> None:
    other = {"type": "object", "x-headwater-table": "others", "properties": {}}
    assert "thers" not in declarations(read_application(document(Other=other)), "c")


@pytest.mark.parametrize(
    "name",
    ["a", "a.b.c", 'a.b"', "a.b: 1, c", "a.*/", "a.b\n", "1.2", "a.", "a/b.c", "a.__proto__"],
)
def test_a_name_that_is_none_is_refused_and_not_written(name: str) -> None:
    with pytest.raises(UnfitDocument):
        read_application(document(name))


@pytest.mark.parametrize("odd", [None, [], {}, {"paths": {}}, {"paths": [], "components": {}}])
def test_what_is_no_document_of_ours_is_refused(odd: Any) -> None:
    with pytest.raises(UnfitDocument):
        read_application(odd)
