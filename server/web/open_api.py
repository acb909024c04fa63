"""``/openapi.json``: every public function, its arguments and its results.

Source: OpenAPI 3.1, whose schemas are JSON Schema as Pydantic writes it.
"""

from typing import Any, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from schemas.document import Document
from schemas.shape import shape_of
from schemas.wire.error import ErrorEnvelope
from server.runtime import Catalog, Find, Function, Get
from server.web.services import services_of

__all__ = ["open_api", "open_api_document"]

_REF = "#/components/schemas/{model}"


async def open_api(request: Request) -> Response:
    """The document."""
    return JSONResponse(open_api_document(services_of(request).runtime.catalog))


def open_api_document(catalog: Catalog) -> dict[str, Any]:
    """An OpenAPI 3.1 document of the catalog's public functions."""
    functions = [(name, one) for name, one in catalog if not one.internal]
    wanted: list[tuple[Any, JsonSchemaMode]] = [(ErrorEnvelope, "serialization")]
    wanted.extend((function.arguments, "validation") for _, function in functions)
    schemas, definitions = models_json_schema(wanted, ref_template=_REF)
    components: dict[str, Any] = definitions.get("$defs", {})
    paths: dict[str, Any] = {}
    for name, function in functions:
        arguments = schemas[function.arguments, "validation"]
        paths[f"/api/{function.kind}/{name}"] = {
            "post": _operation(name, function, arguments, _result(function.returns, components))
        }
    _describe_documents(catalog, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headwater", "version": "0.1.0"},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(
    name: str, function: Function[..., Any], arguments: Any, result: Any
) -> dict[str, Any]:
    lines = (function.__doc__ or "").strip().splitlines()
    answer = {
        "type": "object",
        "properties": {"value": result, "position": {"type": "string"}},
        "required": ["value", "position"],
    }
    failure = {"$ref": _REF.format(model="ErrorEnvelope")}
    status = "202" if function.kind == "action" else "200"
    return {
        "operationId": name,
        "tags": [name.partition(".")[0]],
        "summary": lines[0] if lines else name,
        "requestBody": {"required": True, "content": {"application/json": {"schema": arguments}}},
        "responses": {
            status: {"description": "Done", "content": {"application/json": {"schema": answer}}},
            "default": {
                "description": "An error",
                "content": {"application/json": {"schema": failure}},
            },
        },
    }


def _result(returns: Any, components: dict[str, Any]) -> dict[str, Any]:
    """The schema of what a function returns; anything where it does not say."""
    origin = get_origin(returns)
    if returns is None:
        return {}
    if origin is Find:
        return {"type": "array", "items": _result(get_args(returns)[0], components)}
    if origin is Get:
        return {"anyOf": [_result(get_args(returns)[0], components), {"type": "null"}]}
    schema = TypeAdapter(returns).json_schema(ref_template=_REF, mode="serialization")
    components.update(schema.pop("$defs", {}))
    title = schema.get("title")
    if isinstance(returns, type) and isinstance(title, str) and title == returns.__name__:
        components[title] = schema
        return {"$ref": _REF.format(model=title)}
    return schema


def _describe_documents(catalog: Catalog, components: dict[str, Any]) -> None:
    """Tables as a client sees them: no internal fields, dates as milliseconds."""
    for table in catalog.tables:
        schema = components.get(table.__name__)
        if schema is not None:
            _hide_internal(table, schema)
    for schema in components.values():
        _dates_as_numbers(schema)


def _hide_internal(table: type[Document], schema: dict[str, Any]) -> None:
    internal = shape_of(table).internal
    schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in internal}
    if "required" in schema:
        schema["required"] = [name for name in schema["required"] if name not in internal]


def _dates_as_numbers(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("format") == "date-time":  # pyright: ignore[reportUnknownMemberType]
            schema.pop("format")  # pyright: ignore[reportUnknownMemberType]
            schema["type"] = "integer"
            schema["description"] = "Milliseconds since the epoch."
        for value in schema.values():  # pyright: ignore[reportUnknownVariableType]
            _dates_as_numbers(value)
    elif isinstance(schema, list):
        for value in schema:  # pyright: ignore[reportUnknownVariableType]
            _dates_as_numbers(value)
