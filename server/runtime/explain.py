"""What a client learns of an exception: its own errors whole, of all others no more than it may."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from server.core.errors import (
    Conflict,
    HeadwaterError,
    Internal,
    QueryTimeout,
    TooLarge,
    Unavailable,
)
from server.live.held import encode
from server.live.projection import to_json

__all__ = ["explain", "explained", "is_passing"]

_log = logging.getLogger("headwater")

_DOCUMENT_TOO_LARGE = {10334, 17419, 17420}


@contextmanager
def explained(name: str) -> Generator[None]:
    """Whatever the block raises leaves it as the client's error."""
    try:
        yield
    except Exception as error:
        known = explain(name, error)
        if known is error:
            raise
        raise known from error


def explain(name: str, error: BaseException) -> HeadwaterError:
    """The client's error for what the function `name` raised.

    What is not meant for clients goes to the log, with where it was raised.
    """
    match error:
        case HeadwaterError():
            return _sendable(name, error)
        case DuplicateKeyError():
            return _taken(name, error.details or {})
        case BulkWriteError(details={"writeErrors": [{"code": 11000} as first, *_]}):  # duplicate
            return _taken(name, first)
        case ExecutionTimeout():
            return QueryTimeout(f"{name} took too long in the database; try again.")
        case DocumentTooLarge():
            return _too_large(name)
        case OperationFailure(code=code) if code in _DOCUMENT_TOO_LARGE:
            return _too_large(name)
        case OperationFailure(code=112):  # WriteConflict
            return Unavailable(
                f"{name} met other writes to the same documents again and again; try again."
            )
        case WriteConcernError() | OperationFailure(code=11601):  # Interrupted
            # The majority was waited for in vain; whether it has the write is not known.
            return Unavailable(f"{name} was interrupted in the database; try again.")
        case ConnectionFailure():
            return _unreachable(name)
        case PyMongoError() if is_passing(error):
            return _unreachable(name)
        case _:
            _log.error("%s raised", name, exc_info=error)
            kind = type(error).__name__
            return Internal(f"{name} raised {kind}; the server's log says where and why.")


def _taken(name: str, details: Any) -> Conflict:
    keys = ", ".join(details.get("keyPattern") or ["_id"])
    return Conflict(f"{name}: another document already has this {keys}.")


def _too_large(name: str) -> TooLarge:
    return TooLarge(f"{name} would make a document of more than MongoDB's 16 MB; split it.")


def _unreachable(name: str) -> HeadwaterError:
    return Unavailable(f"{name}: the database cannot be reached just now; try again.")


def _sendable(name: str, error: HeadwaterError) -> HeadwaterError:
    """`error` with its details as JSON; a stream must not fail on them later."""
    try:
        error.details = to_json(error.details)
        encode(error.as_json())
    except Exception as problem:  # noqa: BLE001  # whatever it is, it cannot be sent
        _log.error("%s raised %s, which has no JSON form", name, error.code, exc_info=problem)
        return Internal(f"{name} raised {error.code}; the server's log says where and why.")
    return error


def is_passing(error: PyMongoError) -> bool:
    """Whether the same may succeed in a moment; the driver tells by labels."""
    return any(
        error.has_error_label(label)
        for label in (
            "TransientTransactionError",
            "RetryableWriteError",
            "UnknownTransactionCommitResult",
        )
    )
