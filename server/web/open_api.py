"""``/openapi.json``: every public function, its arguments and its results.

Source: OpenAPI 3.1, whose schemas are JSON Schema as Pydantic writes it.
"""

import inspect
import types
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, PydanticUserError, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from schemas.wire.error import ErrorEnvelope
from server.runtime import Catalog, Find, Function, Get, Page
from server.web.services import services_of

__all__ = ["open_api", "open_api_document"]

Inputs = list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]]

_FAILURE = "error"


async def open_api(request: Request) -> Response:
    """The document."""
    return JSONResponse(open_api_document(services_of(request).runtime.catalog))


def open_api_document(catalog: Catalog) -> dict[str, Any]:
    """An OpenAPI 3.1 document of the catalog's public functions."""
    functions = [(name, one) for name, one in catalog if not one.internal]
    inputs: Inputs = [(_FAILURE, "serialization", TypeAdapter(ErrorEnvelope))]
    for name, function in functions:
        inputs.append((name, "validation", TypeAdapter(function.arguments)))
        if (result := _result(function.returns)) is not None:
            inputs.append((name, "serialization", result))
    schemas, definitions = TypeAdapter.json_schemas(
        inputs, ref_template="#/components/schemas/{model}", schema_generator=_AsShown
    )
    paths: dict[str, Any] = {}
    for name, function in functions:
        result = schemas.get((name, "serialization"), {})
        answers = _answers(function, result, schemas[_FAILURE, "serialization"])
        paths[f"/api/{function.kind}/{name}"] = {
            "post": _operation(name, function, schemas[name, "validation"], answers)
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headwater", "version": "0.1.0"},
        "servers": [{"url": "."}],  # beside this document, wherever that is mounted
        "paths": paths,
        "components": {"schemas": definitions.get("$defs", {})},
    }


class _AsShown(GenerateJsonSchema):
    """Schemas of values as they are on the wire."""

    def datetime_schema(self, schema: Any) -> JsonSchemaValue:
        return {"type": "integer", "description": "Milliseconds since the epoch."}

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        if self.mode == "serialization":
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def ser_schema(self, schema: Any) -> JsonSchemaValue | None:
        # A document's own serializer leaves fields out, and changes none.
        return None if schema["type"] == "function-wrap" else super().ser_schema(schema)

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization" and field["schema"]["type"] == "default":
            return field["schema"].get("default", ...) is not None  # what is None is left out
        return super().field_is_required(field, total)


_D = TypeVar("_D")


class _Page(BaseModel, Generic[_D]):
    """A page of a longer list."""

    page: list[_D]
    isDone: bool  # noqa: N815  # as it is on the wire
    continueCursor: str | None  # noqa: N815
    splitCursor: str | None  # noqa: N815


def _result(returns: Any) -> TypeAdapter[Any] | None:
    """What a function returns; None where it does not say, or only Python could understand it."""
    if returns is None:
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(_as_read(returns))
        adapter.json_schema(mode="serialization", schema_generator=_AsShown)
    except (PydanticUserError, TypeError):
        return None
    return adapter


def _as_read(annotation: Any) -> Any:
    """`annotation` with finds as the lists, and the documents, that they give."""
    origin, arguments = get_origin(annotation), tuple(map(_as_read, get_args(annotation)))
    if origin is Find:
        return list[arguments]
    if origin is Page:
        return _Page[arguments]
    if origin is Get:
        return Union[(*arguments, None)]  # of a tuple
    if origin in (Union, types.UnionType):
        return Union[arguments]  # noqa: UP007  # of a tuple
    if isinstance(annotation, types.GenericAlias):
        return types.GenericAlias(origin, arguments)
    return annotation


def _operation(
    name: str, function: Function[..., Any], arguments: Any, answers: dict[str, Any]
) -> dict[str, Any]:
    text = inspect.cleandoc(function.__doc__ or "")
    operation: dict[str, Any] = {
        "operationId": name,
        "tags": [name.partition(".")[0]],
        "summary": text.partition("\n")[0] or name,
        "description": text,
        "requestBody": {"required": True, "content": _json(arguments)},
        "responses": answers,
    }
    if function.kind == "query":
        return operation
    return operation | {"parameters": _PARAMETERS[function.kind]}


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "A call that is made again under its key is answered and not done again.",
}
_CLIENT = {
    "name": "Headwater-Client",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 64},
    "description": "The client's name, as on its stream, which soon passes this call's position.",
}
_WAIT = {
    "name": "wait",
    "in": "query",
    "schema": {"type": "boolean", "default": False},
    "description": "Answer with what the action returns when it ends.",
}
_PARAMETERS = {"mutation": [_KEY, _CLIENT], "action": [_KEY, _WAIT]}


def _answers(function: Function[..., Any], result: Any, failure: Any) -> dict[str, Any]:
    answer = {
        "type": "object",
        "properties": {"value": result, "position": {"type": "string"}},
        "required": ["value", "position"],
    }
    done = {"description": "Done.", "content": _json(answer)}
    error = {"description": "An error.", "content": _json(failure)}
    if function.kind != "action":
        return {"200": done, "default": error}
    begun = {"description": "Begun; the action works on.", "content": _json(answer)}
    return {"200": done, "202": begun, "default": error}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
