"""What a client learns of an exception: no more than it may."""

import logging
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from server.core.errors import Forbidden, HeadwaterError
from server.llm.errors import KeyRefused
from server.runtime.explain import explain, explained

HUSH = "mongodb://root:hush@example.com sk-ant-hush"


def passing() -> PyMongoError:
    error = PyMongoError(HUSH)
    error._add_error_label("TransientTransactionError")
    return error


@pytest.mark.parametrize(
    ("error", "code", "retry"),
    [
        (RuntimeError(HUSH), "internal", "never"),
        (ValueError(HUSH), "internal", "never"),
        (KeyError(HUSH), "internal", "never"),
        (TimeoutError(HUSH), "internal", "never"),
        (OverflowError(HUSH), "internal", "never"),
        (OperationFailure(HUSH, 14), "internal", "never"),
        (PyMongoError(HUSH), "internal", "never"),
        (DuplicateKeyError(HUSH, 11000, {"keyPattern": {"slug": 1}}), "conflict", "never"),
        (DuplicateKeyError(HUSH, 11000, None), "conflict", "never"),
        (
            BulkWriteError({"writeErrors": [{"code": 11000, "keyPattern": {"slug": 1}}]}),
            "conflict",
            "never",
        ),
        (BulkWriteError({"writeErrors": [{"code": 2, "errmsg": HUSH}]}), "internal", "never"),
        (ExecutionTimeout(HUSH, 50), "query_timeout", "after"),
        (OperationFailure(HUSH, 10334), "too_large", "never"),
        (OperationFailure(HUSH, 17419), "too_large", "never"),
        (OperationFailure(HUSH, 112), "unavailable", "after"),
        (OperationFailure(HUSH, 11601), "unavailable", "after"),
        (WriteConcernError(HUSH, 11601), "unavailable", "after"),
        (AutoReconnect(HUSH), "unavailable", "after"),
        (NetworkTimeout(HUSH), "unavailable", "after"),
        (NotPrimaryError(HUSH), "unavailable", "after"),
        (ServerSelectionTimeoutError(HUSH), "unavailable", "after"),
        (WaitQueueTimeoutError(HUSH), "unavailable", "after"),
        (passing(), "unavailable", "after"),
    ],
)
def test_what_others_raise_is_told_without_its_words(
    error: Exception, code: str, retry: str
) -> None:
    known = explain("notes.add", error)
    assert (known.code, known.retry) == (code, retry)
    assert "hush" not in str(known.as_json())
    assert known.message.startswith("notes.add")


def test_what_is_not_for_clients_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    explain("notes.add", RuntimeError("why"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "notes.add" in caplog.text
    assert "RuntimeError: why" in caplog.text


@pytest.mark.parametrize("error", [Forbidden("No."), KeyRefused("No."), HeadwaterError("No.")])
def test_an_error_of_ours_passes_as_it_is(error: HeadwaterError) -> None:
    assert explain("notes.add", error) is error
    with pytest.raises(type(error)) as caught, explained("notes.add"):
        raise error
    assert caught.value is error
    assert error.__cause__ is None


class Opaque:
    pass


@pytest.mark.parametrize("details", [Opaque(), {"deep": [Opaque()]}, {"bad": "\ud800"}])
def test_details_that_cannot_be_sent_are_the_servers_fault(
    details: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream would fail on them later, and with it everybody's."""
    known = explain("notes.add", Forbidden("No.", details=details))
    assert known.code == "internal"
    assert "notes.add" in caplog.text


def test_a_message_that_cannot_be_sent_is_the_servers_fault() -> None:
    assert explain("notes.add", Forbidden("\ud800")).code == "internal"
