"""What can go wrong between us and Claude, as branches of the one tree of errors.

    ClaudeError               claude_failed          503  after
    ├── KeyMissing            claude_key_missing     422  never
    ├── KeyRefused            claude_key_refused     422  never
    ├── ModelUnknown          claude_model_unknown   422  never
    │   └── ModelRetired      claude_model_retired   422  never
    ├── RequestRefused        claude_refused         422  never
    ├── RateLimited           claude_rate_limited    429  after
    ├── Overloaded            claude_overloaded      503  after
    ├── Unreachable           claude_unreachable     503  after
    ├── StreamCut             claude_stream_cut      503  after
    └── TimedOut              claude_timed_out       503  after

A message never holds a key: it is made of our own sentences, and what Claude's service said goes
through `failures.quoted`, which takes keys out.
"""

from typing import Any

from server.core.errors import HeadwaterError

__all__ = [
    "ClaudeError",
    "KeyMissing",
    "KeyRefused",
    "ModelRetired",
    "ModelUnknown",
    "Overloaded",
    "RateLimited",
    "RequestRefused",
    "StreamCut",
    "TimedOut",
    "Unreachable",
]


class ClaudeError(HeadwaterError):
    """Claude's service failed; by itself this class means a failure with no closer name.

    Args:
        message: What happened, and the cure, in sentences.
        details: JSON-ready facts; ours carry ``requestId``, for a question to Anthropic.
        retry_after_ms: When to ask again, if the service said so.
    """

    code, status, retry = "claude_failed", 503, "after"

    def __init__(
        self, message: str, *, details: Any = None, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message, details=details, retry_after_ms=retry_after_ms)
        self.asked_wait_ms = retry_after_ms
        """What the service asked us to wait; None where it said nothing."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when it is sent again."""
        return self.retry == "after"


class KeyMissing(ClaudeError):
    """Nobody gave a key: neither the deployment nor the caller."""

    code, status, retry = "claude_key_missing", 422, "never"


class KeyRefused(ClaudeError):
    """The key cannot be one, is not known, is not allowed to do this, or is out of credit."""

    code, status, retry = "claude_key_refused", 422, "never"


class ModelUnknown(ClaudeError):
    """The model's name is not one that Claude's service knows."""

    code, status, retry = "claude_model_unknown", 422, "never"


class ModelRetired(ModelUnknown):
    """The model was offered once and is no longer."""

    code = "claude_model_retired"


class RequestRefused(ClaudeError):
    """Claude's service found the request malformed or too large; sending it again cannot help."""

    code, status, retry = "claude_refused", 422, "never"


class RateLimited(ClaudeError):
    """The key has used up what it may ask for in this minute."""

    code, status = "claude_rate_limited", 429


class Overloaded(ClaudeError):
    """Claude's service has more to do than it can."""

    code = "claude_overloaded"


class Unreachable(ClaudeError):
    """No connection to Claude's service could be opened."""

    code = "claude_unreachable"


class StreamCut(ClaudeError):
    """The reply stopped before its end: the connection was lost or closed too early."""

    code = "claude_stream_cut"


class TimedOut(ClaudeError):
    """Claude's service was silent for longer than we wait."""

    code = "claude_timed_out"
