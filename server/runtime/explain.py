"""What a client learns of an exception: its own errors whole, of all others no more than it may."""

import logging

from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from server.core.errors import Conflict, HeadwaterError, Internal, QueryTimeout, Unavailable

__all__ = ["explain"]

_log = logging.getLogger("headwater")


def explain(name: str, error: BaseException) -> HeadwaterError:
    """The client's error for what the function `name` raised.

    What is not meant for clients goes to the log, with where it was raised.
    """
    match error:
        case HeadwaterError():
            return error
        case DuplicateKeyError():
            keys = ", ".join((error.details or {}).get("keyPattern") or ["_id"])
            return Conflict(f"{name}: another document already has this {keys}.")
        case ExecutionTimeout():
            return QueryTimeout(f"{name} took too long in the database; try again.")
        case AutoReconnect() | NetworkTimeout() | ServerSelectionTimeoutError():
            return _unreachable(name)
        case OperationFailure() | PyMongoError() if _is_passing(error):
            return _unreachable(name)
        case _:
            _log.error("%s raised", name, exc_info=error)
            kind = type(error).__name__
            return Internal(f"{name} raised {kind}; the server's log says where and why.")


def _unreachable(name: str) -> HeadwaterError:
    return Unavailable(f"{name}: the database cannot be reached just now; try again.")


def _is_passing(error: PyMongoError) -> bool:
    return any(
        error.has_error_label(label)
        for label in (
            "TransientTransactionError",
            "RetryableWriteError",
            "UnknownTransactionCommitResult",
        )
    )
