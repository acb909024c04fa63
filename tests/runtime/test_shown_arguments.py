"""Arguments as an operator may see them: short, telling, and without secrets."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from server.runtime import Function, QueryCtx, query
from server.runtime.shown_arguments import LENGTH_MAX, shown_arguments

HUSH = "hush-0123456789abcdef"


class Login(BaseModel):
    user: str
    word: SecretStr


@query
def anything(ctx: QueryCtx, task_id: str = "t", extra: Any = None) -> None: ...


@query
def declared(ctx: QueryCtx, login: Login, code: SecretStr, more: list[SecretStr]) -> None: ...


def shown(function: Function[..., Any], **arguments: Any) -> str:
    return shown_arguments(function, json.dumps(arguments).encode())


def test_they_are_shown_by_their_wire_names() -> None:
    assert json.loads(shown(anything, task_id="a", extra=[1, {"b": None}])) == {
        "taskId": "a",
        "extra": [1, {"b": None}],
    }
    assert shown(anything, taskId="a") == '{"taskId":"a","extra":null}'


@pytest.mark.parametrize(
    "extra",
    [
        {"apiKeys": {"anthropic": HUSH}},
        {"API_KEY": HUSH},
        {"deep": [{"accessToken": [HUSH]}]},
        {"userPassword": HUSH},
        {"Authorization": HUSH},
        {"session": {"anything": HUSH}},
        {"note": f"sk-ant-{HUSH}"},
        {"note": f"mongodb+srv://root:{HUSH}@cluster.example.net/db"},
        {"note": f"Bearer {HUSH}"},
        {"note": f"eyJhbGciOiJIUzI1NiJ9.eyJ{HUSH}.x"},
        {"note": f"ghp_{HUSH}"},
        {f"{HUSH} as a name": 1},
    ],
)
def test_what_could_be_a_secret_is_left_out(extra: Any) -> None:
    assert "hush" in json.dumps(extra)
    text = shown(anything, extra=extra)
    assert "hush" not in text
    assert json.loads(text)["taskId"] == "t"


def test_what_is_declared_a_secret_is_left_out() -> None:
    login = {"user": "ada", "word": HUSH}
    text = shown(declared, login=login, code=HUSH, more=[HUSH])
    assert "hush" not in text
    assert "ada" in text


def test_what_nobody_can_read_is_shown_by_name_alone() -> None:
    text = shown(declared, login=Login.__name__, code=HUSH, more=[])
    assert json.loads(text) == {"login": "…", "code": "…", "more": "…"}


@pytest.mark.parametrize("extra", ["hush" * 50, ["x"] * 200, {f"n{i}": i for i in range(99)}])
def test_they_are_short(extra: Any) -> None:
    text = shown(anything, extra=extra)
    assert len(text) <= LENGTH_MAX
    assert text.startswith('{"taskId":"t"')


def test_large_ones_are_not_looked_at() -> None:
    assert shown(anything, extra="x" * 100_000).endswith(" bytes)")


@pytest.mark.parametrize("name", ["author", "authorId", "keyword", "keyboard", "status"])
def test_ordinary_names_are_no_secrets(name: str) -> None:
    assert json.loads(shown(anything, extra={name: "ada"}))["extra"] == {name: "ada"}
