"""``/openapi.json``: every public function, as it is on the wire."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

import server.functions
from server.runtime import Catalog
from server.web.open_api import open_api_document
from tests import board
from tests.serving import serving


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return open_api_document(Catalog([*server.functions.ALL, board]))


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    return document["components"]["schemas"][name]


def value_of(document: dict[str, Any], path: str, status: str = "200") -> Any:
    answer = document["paths"][path]["post"]["responses"][status]["content"]["application/json"]
    assert answer["schema"]["required"] == ["value", "position"]
    return answer["schema"]["properties"]["value"]


def arguments_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return schema(document, body["$ref"].rpartition("/")[2])


def every(value: Any, key: str) -> Iterator[Any]:
    """Every value under `key`, however deep."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name == key:
                yield one
            yield from every(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from every(one, key)


def test_every_public_function_is_there_and_no_internal_one(document: dict[str, Any]) -> None:
    public = {
        f"/api/{one.kind}/{name}"
        for name, one in Catalog([*server.functions.ALL, board])
        if not one.internal
    }
    assert document["paths"].keys() == public
    assert "/api/query/board.secrets" not in public
    assert not any("beginReply" in path for path in public)


def test_it_has_the_shape_of_open_api(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"].keys() == {"title", "version"}
    assert document.keys() == {"openapi", "info", "servers", "paths", "components"}
    names = document["components"]["schemas"].keys()
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]+", name) for name in names)
    references = set(every(document, "$ref"))
    assert references <= {f"#/components/schemas/{name}" for name in names}
    operations = [operation["post"] for operation in document["paths"].values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        assert operation["requestBody"]["required"] is True
        assert "default" in operation["responses"]
        assert all("description" in one for one in operation["responses"].values())


def test_arguments_are_described_as_they_are_sent(document: dict[str, Any]) -> None:
    arguments = arguments_of(document, "/api/query/board.notes")
    assert arguments["properties"].keys() == {"topic", "limit"}
    assert arguments["required"] == ["topic"]
    assert arguments["additionalProperties"] is False
    limit = arguments["properties"]["limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 50)
    assert arguments_of(document, "/api/query/board.whoami")["properties"] == {}
    assert "taskId" in arguments_of(document, "/api/action/streaming.streamChat")["properties"]


def test_functions_of_one_name_keep_their_own_arguments(document: dict[str, Any]) -> None:
    found = {
        name: list(arguments_of(document, f"/api/query/{name}.get")["properties"])
        for name in ("tasks", "users", "messages")
    }
    assert found == {"tasks": ["taskId"], "users": ["userId"], "messages": ["messageId"]}


def test_results_are_described(document: dict[str, Any]) -> None:
    note = {"$ref": "#/components/schemas/Note"}
    assert value_of(document, "/api/query/board.notes") == {"type": "array", "items": note}
    assert value_of(document, "/api/query/board.note") == {"anyOf": [note, {"type": "null"}]}
    assert value_of(document, "/api/mutation/board.add") == note
    assert value_of(document, "/api/query/board.liked") == {"type": "integer"}
    assert value_of(document, "/api/mutation/board.touchNothing") == {"type": "null"}
    assert value_of(document, "/api/query/board.panel") == {
        "type": "object",
        "additionalProperties": {"type": "array", "items": note},
    }
    assert value_of(document, "/api/query/board.opaque") == {}
    begun = {"$ref": "#/components/schemas/Begun"}
    for status in ("200", "202"):
        assert value_of(document, "/api/action/streaming.streamChat", status) == begun


def test_a_document_is_described_as_it_is_shown(document: dict[str, Any]) -> None:
    message = schema(document, "ChatMessage")
    assert "lease" not in message["properties"]
    assert {"_id", "taskId", "role", "parts", "finishReason"} <= message["properties"].keys()
    assert {"_id", "createdAt", "taskId", "parts"} <= set(message["required"])
    assert not {"usage", "error", "model"} & set(message["required"])
    assert schema(document, "TextPart")["properties"]["text"]["type"] == "string"
    note = schema(document, "Note")
    assert note["properties"]["body"] == {"title": "Body", "type": "string"}
    assert note["properties"]["tags"]["type"] == "array"
    assert "nextSequence" not in schema(document, "Task")["properties"]


def test_no_internal_field_shows_however_deep(document: dict[str, Any]) -> None:
    assert "secret" not in schema(document, "Note")["properties"]
    assert schema(document, "Author")["properties"].keys() == {"name"}
    assert "Lease" not in document["components"]["schemas"]


def test_dates_are_integers_everywhere(document: dict[str, Any]) -> None:
    assert "date-time" not in set(every(document, "format"))
    for name in ("createdAt", "updatedAt"):
        assert schema(document, "Note")["properties"][name]["type"] == "integer"
    assert schema(document, "Tally")["properties"]["at"]["type"] == "integer"
    assert value_of(document, "/api/query/board.latest")["type"] == "integer"
    since = arguments_of(document, "/api/query/board.tally")["properties"]["since"]
    assert {one["type"] for one in since["anyOf"]} == {"integer", "null"}


def test_ids_say_of_which_table_they_are(document: dict[str, Any]) -> None:
    key = "x-headwater-table"
    message = schema(document, "ChatMessage")
    assert message[key] == "chatMessages"
    assert message["properties"]["_id"][key] == "chatMessages"
    assert message["properties"]["taskId"][key] == "tasks"
    assert [one.get(key) for one in message["properties"]["askedBy"]["anyOf"]] == [
        "chatMessages",
        None,
    ]
    asked = arguments_of(document, "/api/query/messages.get")["properties"]["messageId"]
    assert asked[key] == "chatMessages"
    assert key not in message["properties"]["model"]


async def test_what_is_served_is_what_is_described(database_uri: str) -> None:
    async with serving(database_uri, board.HERE) as running:
        document = (await running.http.get("/openapi.json")).json()
        assert "/api/query/board.notes" in document["paths"]
        note = await running.mutation("board.add", topic="t")
        described = schema(document, "Note")
        assert set(described["required"]) <= note.keys() <= described["properties"].keys()
        tally = await running.query("board.tally", topic="t", since=note["createdAt"])
        assert tally == {"notes": 1, "at": note["createdAt"]}
        error = (await running.http.post("/api/query/board.nope", json={})).json()["error"]
        assert error.keys() <= schema(document, "ErrorBody")["properties"].keys()
