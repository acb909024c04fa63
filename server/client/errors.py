"""The errors that a caller or a subscriber meets, one class for what a program may want to catch.

    HeadwaterError            what the server said, or why it could not be asked
    ├── NotReached            network: no answer came
    ├── BadAnswer             bad_answer: something other than Headwater answered, or rubbish
    ├── Malformed             malformed, position_ahead, unsupported_media_type
    ├── Unauthenticated       unauthenticated
    ├── Forbidden             forbidden, origin_not_allowed
    ├── NotFound              not_found
    │   └── UnknownFunction   unknown_function
    ├── Conflict              conflict, idempotency_key_reused, idempotency_key_in_use
    ├── TooLarge              too_large
    ├── InvalidArguments      invalid_arguments; `details` lists each misfit
    ├── RateLimited           too_many
    ├── Internal              internal, query_timeout
    │   └── NotInMemory       not_in_memory
    ├── Unavailable           unavailable
    └── ClaudeFailed          claude_…: the code says why

A code that is none of these, an application's own, is of the class that fits its status. The same
codes as the server's, in PROTOCOL.md; the server's own tree raises them, this one hears of them.
"""

from typing import Any, Literal, cast, get_args

__all__ = [
    "BadAnswer",
    "ClaudeFailed",
    "Conflict",
    "Forbidden",
    "HeadwaterError",
    "Internal",
    "InvalidArguments",
    "Malformed",
    "NotFound",
    "NotInMemory",
    "NotReached",
    "RateLimited",
    "Retry",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UnknownFunction",
    "error_from_body",
]

Retry = Literal["never", "after", "resync"]


class HeadwaterError(Exception):
    """A refusal by the server, or the reason why it could not be asked.

    Args:
        message: What happened, and the cure, in sentences.
        code: Stable, for programs; PROTOCOL.md lists them.
        retry: ``never``: asking again gives the same answer. ``after``: ask again after
            `retry_after_ms`. ``resync``: drop the position and take a snapshot.
        status: The HTTP status; 0 where no answer came, or inside of a stream.
        retry_after_ms: When to ask again, where the server says so.
        details: For a program, such as the list of invalid arguments.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        retry: Retry,
        status: int = 0,
        retry_after_ms: int | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retry = retry
        self.status = status
        self.retry_after_ms = retry_after_ms
        self.details = details


class NotReached(HeadwaterError):
    """No answer came."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="network", retry="after")


class BadAnswer(HeadwaterError):
    """Something other than Headwater answered, a proxy as a rule, or what came is unreadable."""

    def __init__(self, message: str, *, retry: Retry = "after", status: int = 0) -> None:
        super().__init__(message, code="bad_answer", retry=retry, status=status)


class Malformed(HeadwaterError):
    """The server could not read the request."""


class Unauthenticated(HeadwaterError):
    """The application does not know who asks."""


class Forbidden(HeadwaterError):
    """The caller may not do this."""


class NotFound(HeadwaterError):
    """What was named does not exist."""


class UnknownFunction(NotFound):
    """There is no such function, or it is of another kind."""


class Conflict(HeadwaterError):
    """The write contradicts what is stored."""


class TooLarge(HeadwaterError):
    """A body, a query set or a result is beyond its limit."""


class InvalidArguments(HeadwaterError):
    """The arguments do not fit the function."""


class RateLimited(HeadwaterError):
    """Too many at once."""


class Internal(HeadwaterError):
    """The function or the server failed; the server's log says why."""


class NotInMemory(Internal):
    """The server's database is one in memory, which cannot do this."""


class Unavailable(HeadwaterError):
    """The database or the server cannot serve just now."""


class ClaudeFailed(HeadwaterError):
    """Claude refused or failed."""


_BY_CODE: dict[str, type[HeadwaterError]] = {
    "malformed": Malformed,
    "position_ahead": Malformed,
    "unsupported_media_type": Malformed,
    "unauthenticated": Unauthenticated,
    "forbidden": Forbidden,
    "origin_not_allowed": Forbidden,
    "not_found": NotFound,
    "unknown_function": UnknownFunction,
    "conflict": Conflict,
    "idempotency_key_reused": Conflict,
    "idempotency_key_in_use": Conflict,
    "too_large": TooLarge,
    "invalid_arguments": InvalidArguments,
    "too_many": RateLimited,
    "internal": Internal,
    "query_timeout": Internal,
    "not_in_memory": NotInMemory,
    "unavailable": Unavailable,
}
_BY_STATUS: dict[int, type[HeadwaterError]] = {
    400: Malformed,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidArguments,
    429: RateLimited,
    500: Internal,
    503: Unavailable,
}


def error_from_body(body: object, status: int = 0) -> HeadwaterError:
    """The error in the one shape that errors have on the wire.

    Args:
        body: ``{"code", "message", "retry", "retryAfterMs"?, "details"?}``; whatever else it is
            makes a `BadAnswer`: a proxy that answers for an absent server has no say in whether
            to ask again.
        status: Of the response; 0 inside of a stream.
    """
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    match fields:
        case {"code": str(code), "message": str(message), "retry": retry} if retry in get_args(
            Retry
        ):
            after = fields.get("retryAfterMs")
            return _class_for(code, status)(
                message,
                code=code,
                retry=retry,
                status=status,
                retry_after_ms=after if type(after) is int and after >= 0 else None,
                details=fields.get("details"),
            )
        case _:
            said = f" (status {status})" if status else ""
            return BadAnswer(
                f"The server's answer{said} is not in Headwater's form.", status=status
            )


def _class_for(code: str, status: int) -> type[HeadwaterError]:
    if code.startswith("claude_"):
        return ClaudeFailed
    return _BY_CODE.get(code) or _BY_STATUS.get(status, HeadwaterError)
