"""The Python client: calls, and live queries as async iterators."""

from server.client.client import Change, Client, View
from server.client.connection import Headers
from server.client.errors import (
    BadAnswer,
    ClaudeFailed,
    Conflict,
    Forbidden,
    HeadwaterError,
    Internal,
    InvalidArguments,
    Malformed,
    NotFound,
    NotReached,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownFunction,
)
from server.client.functions import Argument, FunctionDescription

__all__ = [
    "Argument",
    "BadAnswer",
    "Change",
    "ClaudeFailed",
    "Client",
    "Conflict",
    "Forbidden",
    "FunctionDescription",
    "Headers",
    "HeadwaterError",
    "Internal",
    "InvalidArguments",
    "Malformed",
    "NotFound",
    "NotReached",
    "RateLimited",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UnknownFunction",
    "View",
]
