"""The one tree of errors, and the one shape in which they reach a client.

    HeadwaterError            code               status  retry
    ├── Malformed             malformed             400  never
    │   └── PositionAhead     position_ahead        400  resync
    ├── Unauthenticated       unauthenticated       401  never
    ├── Forbidden             forbidden             403  never
    │   └── OriginNotAllowed  origin_not_allowed    403  never
    ├── NotFound              not_found             404  never
    │   └── UnknownFunction   unknown_function      404  never
    ├── Conflict              conflict              409  never
    │   ├── KeyReused         idempotency_key_reused     409  never
    │   └── KeyInUse          idempotency_key_in_use     409  after
    ├── TooLarge              too_large             413  never
    ├── UnsupportedMediaType  unsupported_media_type     415  never
    ├── InvalidArguments      invalid_arguments     422  never
    ├── TooMany               too_many              429  after
    ├── Internal              internal              500  never
    │   ├── QueryTimeout      query_timeout         500  after
    │   └── NotInMemory       not_in_memory         501  never
    └── Unavailable           unavailable           503  after
    StartupError              (never on the wire: one sentence for a terminal, exit code 2)

`retry` tells a client what to do: ``never`` (asking again gives the same answer), ``after``
(ask again after ``retryAfterMs``), ``resync`` (drop the position and take a snapshot).
Messages say what happened, name the offending value (never a secret), and give the cure.
"""

from typing import Any, ClassVar, Literal

__all__ = [
    "Conflict",
    "Forbidden",
    "HeadwaterError",
    "Internal",
    "InvalidArguments",
    "KeyInUse",
    "KeyReused",
    "Malformed",
    "NotFound",
    "NotInMemory",
    "OriginNotAllowed",
    "PositionAhead",
    "QueryTimeout",
    "StartupError",
    "TooLarge",
    "TooMany",
    "Unauthenticated",
    "Unavailable",
    "UnknownFunction",
    "UnsupportedMediaType",
]

Retry = Literal["never", "after", "resync"]


class HeadwaterError(Exception):
    """Base of every error that a client may see.

    Args:
        message: What happened, and the cure, in sentences.
        details: JSON-ready facts for a program, e.g. the list of invalid arguments.
        retry_after_ms: When to ask again; only with ``retry = "after"``.

    Raises:
        TypeError: The message is no string, and no client could read the error.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retry: ClassVar[Retry] = "never"

    def __init__(
        self, message: str, *, details: Any = None, retry_after_ms: int | None = None
    ) -> None:
        if not isinstance(message, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"{type(self).__name__} takes a message for people, not a "
                f"{type(message).__name__}; what programs read goes into details=."
            )
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_ms = retry_after_ms if retry_after_ms or self.retry != "after" else 1000

    def as_json(self) -> dict[str, Any]:
        """The wire shape: ``{"code", "message", "retry", "retryAfterMs"?, "details"?}``."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, "retry": self.retry}
        if self.retry_after_ms is not None:
            body["retryAfterMs"] = self.retry_after_ms
        if self.details is not None:
            body["details"] = self.details
        return body


class Malformed(HeadwaterError):
    """The request cannot be read: bad JSON, a bad position, a bad header."""

    code, status = "malformed", 400


class PositionAhead(Malformed):
    """The position lies beyond the cluster's own time."""

    code, retry = "position_ahead", "resync"


class Unauthenticated(HeadwaterError):
    """The application's `authenticate` did not accept the request."""

    code, status = "unauthenticated", 401


class Forbidden(HeadwaterError):
    """The caller may not do this."""

    code, status = "forbidden", 403


class OriginNotAllowed(Forbidden):
    """A browser page from elsewhere asked."""

    code = "origin_not_allowed"


class NotFound(HeadwaterError):
    """The named document does not exist."""

    code, status = "not_found", 404


class UnknownFunction(NotFound):
    """No public function of this kind has this name."""

    code = "unknown_function"


class Conflict(HeadwaterError):
    """The write contradicts what is stored."""

    code, status = "conflict", 409


class KeyReused(Conflict):
    """The idempotency key was used before with other arguments."""

    code = "idempotency_key_reused"


class KeyInUse(Conflict):
    """A call with this idempotency key has begun and not yet answered."""

    code, retry = "idempotency_key_in_use", "after"


class TooLarge(HeadwaterError):
    """A body, a query set or a result exceeds its limit."""

    code, status = "too_large", 413


class UnsupportedMediaType(HeadwaterError):
    """Calls take JSON bodies only."""

    code, status = "unsupported_media_type", 415


class InvalidArguments(HeadwaterError):
    """The arguments do not fit the function's signature; `details` lists each misfit."""

    code, status = "invalid_arguments", 422


class TooMany(HeadwaterError):
    """A limit on how many at once is reached."""

    code, status, retry = "too_many", 429, "after"


class Internal(HeadwaterError):
    """A function raised something that is not for clients; the log says what."""


class QueryTimeout(Internal):
    """A query ran past its time limit."""

    code, retry = "query_timeout", "after"


class NotInMemory(Internal):
    """The server runs on ``memory:``, which cannot do this."""

    code, status = "not_in_memory", 501

    @classmethod
    def of(cls, what: str) -> "NotInMemory":
        """The error that names `what` cannot be done, and the cure."""
        return cls(
            f"The database in memory cannot do this: {what}; unset HEADWATER_MONGODB_URI to use "
            "the embedded MongoDB."
        )


class Unavailable(HeadwaterError):
    """The database, or this process, cannot serve just now."""

    code, status, retry = "unavailable", 503, "after"


class StartupError(Exception):
    """The server cannot start; the message is one sentence that ends in the cure."""
