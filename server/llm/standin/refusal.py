"""How the API says no: a status and a JSON body of one shape."""

from typing import Any

__all__ = ["Refusal"]


class Refusal(Exception):
    """A request turned away: an answer, and no error of ours.

    Source: https://platform.claude.com/docs/en/api/errors
    """

    def __init__(
        self, status: int, error_type: str, message: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message
        self.retry_after_s = retry_after_s

    @classmethod
    def invalid(cls, message: str) -> "Refusal":
        """The usual one: 400, ``invalid_request_error``."""
        return cls(400, "invalid_request_error", message)

    def as_json(self, request_id: str) -> dict[str, Any]:
        """The body, which is also the data of an ``error`` event."""
        return {
            "type": "error",
            "error": {"type": self.error_type, "message": self.message},
            "request_id": request_id,
        }
