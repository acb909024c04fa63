"""The one shape of every error, over HTTP and in a stream."""

from typing import Any, Literal

from schemas.document import Part

__all__ = ["ErrorBody", "ErrorEnvelope"]


class ErrorBody(Part):
    """What went wrong, for a program and for a person.

    Attributes:
        code: Stable; PROTOCOL.md lists them all.
        message: What happened, and the cure.
        retry: ``never``: asking again gives the same answer. ``after``: ask again after
            `retry_after_ms`. ``resync``: drop the position and take a snapshot.
        details: Facts for a program, such as the list of invalid arguments.
    """

    code: str
    message: str
    retry: Literal["never", "after", "resync"]
    retry_after_ms: int | None = None
    details: Any = None


class ErrorEnvelope(Part):
    """``{"error": …}``."""

    error: ErrorBody
