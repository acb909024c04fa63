"""Errors of the wire as classes."""

import re
from pathlib import Path
from typing import Any

import pytest

from server.client import errors
from server.client.errors import (
    BadAnswer,
    ClaudeFailed,
    Conflict,
    HeadwaterError,
    NotFound,
    UnknownFunction,
    error_from_body,
)

PROTOCOL = Path(__file__).parents[2] / "PROTOCOL.md"


def body(**fields: Any) -> dict[str, Any]:
    return {"code": "not_found", "message": "No.", "retry": "never"} | fields


def test_every_code_of_the_protocol_has_a_class_of_its_own_status() -> None:
    table = PROTOCOL.read_text("utf-8").partition("## Errors")[2]
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", table, re.MULTILINE)
    assert len(rows) > 20
    for code, status in rows:
        found = error_from_body(body(code=code))
        assert type(found) is not HeadwaterError, code
        if not code.startswith("claude_") and code != "unsupported_media_type":
            by_status = error_from_body(body(code="an_apps_own"), int(status))
            assert isinstance(found, type(by_status)), code


def test_an_error_says_all_that_the_server_said() -> None:
    error = error_from_body(
        body(code="conflict", retry="after", retryAfterMs=20, details={"a": 1}), 409
    )
    assert type(error) is Conflict
    assert str(error) == error.message == "No."
    assert (error.code, error.status, error.retry) == ("conflict", 409, "after")
    assert (error.retry_after_ms, error.details) == (20, {"a": 1})


def test_classes_are_drawn_as_they_are() -> None:
    assert issubclass(UnknownFunction, NotFound)
    assert type(error_from_body(body(code="claude_overloaded"), 503)) is ClaudeFailed
    drawn = set(re.findall(r"── (\w+)", errors.__doc__ or ""))
    assert drawn == {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, HeadwaterError) and one is not HeadwaterError
    }


def test_an_applications_own_code_is_of_the_class_that_fits_its_status() -> None:
    assert type(error_from_body(body(code="gone_home"), 404)) is NotFound
    assert type(error_from_body(body(code="paywall"), 402)) is HeadwaterError
    assert error_from_body(body(code="paywall"), 402).code == "paywall"


@pytest.mark.parametrize(
    "said",
    [
        None,
        "no",
        [],
        {},
        body(code=7),
        body(message=None),
        body(retry="perhaps"),
        body(retry=["never"]),
        body(retry={}),
    ],
)
def test_what_is_not_in_our_form_is_a_bad_answer(said: Any) -> None:
    error = error_from_body(said, 502)
    assert type(error) is BadAnswer
    assert (error.status, error.retry) == (502, "after")


@pytest.mark.parametrize("after", ["1", -1, 1.5, True, None, []])
def test_a_delay_that_is_none_is_left_out(after: Any) -> None:
    assert error_from_body(body(retry="after", retryAfterMs=after)).retry_after_ms is None
