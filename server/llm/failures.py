"""Turns what the SDK and its HTTP library raise into our errors, with the cure in words.

Three things are not as one might expect (anthropic 2.12): an ``error`` event in mid-stream is an
`APIStatusError` of status 200, so the error's type is asked before its status; a socket dropped in
mid-stream is a bare `httpx2` error; and an end of file before ``message_stop`` raises nothing at
all, which is for the reader of the stream to notice.
"""

import json
import re

import anthropic
import httpx2

from server.core.event_stream import EventTooLong
from server.llm.errors import (
    ClaudeError,
    KeyRefused,
    ModelUnknown,
    Overloaded,
    RateLimited,
    RequestRefused,
    StreamCut,
    TimedOut,
    Unreachable,
)

__all__ = ["EXPECTED", "quoted", "translated"]

EXPECTED = (
    anthropic.AnthropicError,
    httpx2.HTTPError,
    httpx2.StreamError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    EventTooLong,
)
"""What a call may raise through no fault of this program."""

_QUOTED_CHARS_MAX = 500

_BY_TYPE: dict[str, int] = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
    "api_error": 500,
}


def translated(error: Exception, key: str) -> ClaudeError:
    """The error of ours that says what `error` means; `key` is kept out of its message."""
    match error:
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return _timed_out(error)
        case anthropic.APIStatusError():
            return _refused(error, key)
        case anthropic.APIConnectionError():
            return Unreachable(
                f"Claude's service at {error.request.url.host} cannot be reached. Check this "
                "machine's network, its proxy settings and ANTHROPIC_BASE_URL."
            )
        case httpx2.HTTPError() | httpx2.StreamError():
            return StreamCut(
                "The connection to Claude was lost in the middle of the reply. What has arrived is "
                "kept; ask again to go on."
            )
        case ValueError() | anthropic.APIResponseValidationError():
            return StreamCut(
                "Claude's service sent something that is not its protocol. What has arrived is "
                "kept; ask again. If ANTHROPIC_BASE_URL is set, check what answers there."
            )
        case _:
            return ClaudeError(f"The call to Claude failed: {quoted(str(error), key)}")


def quoted(text: str, key: str) -> str:
    """What somebody else wrote, fit for a message of ours: no key in it, and not too long."""
    if key:
        text = text.replace(key, "[key]")
        for word in re.findall(r"[\w-]{8,}", key):  # where its quotes and such were escaped
            text = text.replace(word, "[key]")
    text = re.sub(r"sk-ant-[\w-]+", "[key]", text)
    return text if len(text) <= _QUOTED_CHARS_MAX else text[:_QUOTED_CHARS_MAX] + "…"


def _timed_out(error: Exception) -> ClaudeError:
    cause = error.__cause__ if isinstance(error, anthropic.APITimeoutError) else error
    if isinstance(cause, httpx2.ConnectTimeout):
        return Unreachable(
            "Claude's service did not accept a connection in time. Check this machine's network, "
            "its proxy settings and ANTHROPIC_BASE_URL."
        )
    return TimedOut(
        "Claude's service fell silent in the middle of the reply. What has arrived is kept; ask "
        "again to go on."
    )


def _refused(error: anthropic.APIStatusError, key: str) -> ClaudeError:
    said = quoted(error.api_message or error.message, key).rstrip()
    said = said if said.endswith((".", "!", "?", "…")) else f"{said}."
    details = {"requestId": error.request_id} if error.request_id else None
    match _BY_TYPE.get(error.type or "", error.status_code):
        case 401:
            return KeyRefused(
                "Claude's service does not accept the key. Check ANTHROPIC_API_KEY, or the "
                "`apiKeys.anthropic` that came with the call, at https://platform.claude.com.",
                details=details,
            )
        case 402 | 403:
            return KeyRefused(
                f"The key may not do this: {said} Check its credit and permissions at "
                "https://platform.claude.com.",
                details=details,
            )
        case 404:
            return ModelUnknown(
                f"Claude's service does not know what was asked for: {said} Check the model's "
                "name, and that the key may use it.",
                details=details,
            )
        case 429:
            return RateLimited(
                f"The key's rate limit is reached: {said} Wait, or raise the limit at "
                "https://platform.claude.com.",
                details=details,
                retry_after_ms=_retry_after_ms(error.response),
            )
        case 503 | 529:
            return Overloaded(
                "Claude's service is overloaded just now. Try again in a little while.",
                details=details,
                retry_after_ms=_retry_after_ms(error.response),
            )
        case 408 | 504:
            return TimedOut(
                "Claude's service did not finish in time. Try again, or ask for a shorter reply.",
                details=details,
            )
        case status if 400 <= status < 500:
            return RequestRefused(f"Claude's service refused the request: {said}", details=details)
        case _:
            return ClaudeError(
                f"Claude's service failed: {said} Try again in a little while.", details=details
            )


def _retry_after_ms(response: httpx2.Response) -> int | None:
    try:
        return round(float(response.headers["retry-after"]) * 1000)
    except (KeyError, ValueError, OverflowError):
        return None
