"""The tree of errors, and PROTOCOL.md's list of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import server.llm.errors  # its branch belongs to the tree
from server.core import errors
from server.core.errors import Conflict, HeadwaterError

PROTOCOL = Path(__file__).parents[2] / "PROTOCOL.md"
OURS = ("server.core.", "server.llm.")


def tree(error: type[HeadwaterError] = HeadwaterError) -> Iterator[type[HeadwaterError]]:
    """Every error that a client may see; tests and applications make branches of their own."""
    if error is not HeadwaterError and error.__module__.startswith(OURS):
        yield error
    for branch in error.__subclasses__():
        yield from tree(branch)


def told(error: type[HeadwaterError]) -> tuple[str, int, str]:
    return error.code, error.status, error.retry


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in tree()]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_drawn_trees_are_the_trees() -> None:
    """Each module opens with its tree: name, code, status, retry."""
    drawn = {
        (name, code, int(status), retry)
        for module in (errors, server.llm.errors)
        for name, code, status, retry in re.findall(
            r"(\w+) +([a-z_]+) +(\d{3})  (never|after|resync)$", module.__doc__ or "", re.MULTILINE
        )
    }
    assert drawn == {(error.__name__, *told(error)) for error in tree()}


def test_the_protocol_lists_every_code() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \| (\w+) \|", PROTOCOL.read_text(), re.MULTILINE)
    listed = [(code, int(status), retry) for code, status, retry in rows]
    assert sorted(listed) == sorted(told(error) for error in tree())


@pytest.mark.parametrize("error", list(tree()), ids=lambda error: error.__name__)
def test_an_error_has_the_one_shape(error: type[HeadwaterError]) -> None:
    body = error("What, and the cure.").as_json()
    assert list(body)[:3] == ["code", "message", "retry"]
    assert ("retryAfterMs" in body) == (error.retry == "after")
    assert error("x", details=[1]).as_json()["details"] == [1]
    assert 400 <= error.status < 600


def test_what_is_no_message_is_refused_where_it_is_raised() -> None:
    data: Any = {"code": "TAKEN"}
    with pytest.raises(TypeError, match=r"Conflict takes a message for people, .* details="):
        Conflict(data)
    assert Conflict("It is taken.", details=data).as_json()["details"] == data
