"""Arguments as they are written after a command."""

import io
from typing import Any

import pytest

from server.cli.call_arguments import arguments_of
from server.client import Argument, FunctionDescription
from server.core.errors import StartupError

FUNCTION = FunctionDescription(
    "f.g",
    "query",
    [
        Argument("text", "string", required=True, default=None, is_text=True),
        Argument("count", "integer", required=False, default=5, is_text=False),
    ],
    "",
)


def given(*texts: str, stdin: str = "") -> dict[str, Any]:
    return arguments_of(FUNCTION, texts, io.StringIO(stdin))


def test_each_way_of_writing_them_and_the_last_counts() -> None:
    assert given() == {}
    assert given('{"text": "a", "count": 1}') == {"text": "a", "count": 1}
    assert given("text=1", "count=2") == {"text": "1", "count": 2}
    assert given("text=a=b", "count=many", "other=[1]") == {
        "text": "a=b",
        "count": "many",
        "other": [1],
    }
    assert given("-", "count=3", stdin='{"count": 1, "text": ""}') == {"count": 3, "text": ""}
    assert given(' {"count": 1}', "text=") == {"count": 1, "text": ""}


@pytest.mark.parametrize(
    ("texts", "stdin", "said"),
    [
        (["text"], "", "f.g takes text, count?."),
        (["=1"], "", "neither name=value"),
        (["{"], "", "'{' is no JSON"),
        (["-"], "", "Standard input is no JSON"),
        (["-"], "[1]", "Standard input is no JSON object"),
        (["-"], "[" * 100_000, "Standard input is no JSON"),
        (["-"], " " * (2 << 20), "Standard input has more than"),
        (["x" * 500], "", "x…"),
    ],
)
def test_what_cannot_be_read_is_said(texts: list[str], stdin: str, said: str) -> None:
    with pytest.raises(StartupError) as raised:
        given(*texts, stdin=stdin)
    assert said in str(raised.value)
    assert len(str(raised.value)) < 300
