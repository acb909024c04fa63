import anthropic
import httpx2
import pytest

from server.llm import errors, failures
from server.llm.errors import ClaudeError

KEY = "a-gateways-own-kind-of-key"
REQUEST = httpx2.Request("POST", "https://someone:password@example.com/v1/messages")


def refused(status: int, error_type: str, message: str = "Because.", **headers: str) -> ClaudeError:
    response = httpx2.Response(status, request=REQUEST, headers={"request-id": "req_1", **headers})
    body = {"type": "error", "error": {"type": error_type, "message": message}}
    return failures.translated(anthropic.APIStatusError("said", response=response, body=body), KEY)


@pytest.mark.parametrize(
    ("status", "error_type", "expected"),
    [
        (400, "invalid_request_error", errors.RequestRefused),
        (401, "authentication_error", errors.KeyRefused),
        (402, "billing_error", errors.KeyRefused),
        (403, "permission_error", errors.KeyRefused),
        (404, "not_found_error", errors.ModelUnknown),
        (413, "request_too_large", errors.RequestRefused),
        (429, "rate_limit_error", errors.RateLimited),
        (500, "api_error", errors.ClaudeError),
        (504, "timeout_error", errors.TimedOut),
        (529, "overloaded_error", errors.Overloaded),
        # An error event in mid-stream has the status of the stream.
        (200, "overloaded_error", errors.Overloaded),
        (200, "rate_limit_error", errors.RateLimited),
        (200, "api_error", errors.ClaudeError),
        # Types and statuses newer than this code.
        (418, "teapot_error", errors.RequestRefused),
        (599, "novel_error", errors.ClaudeError),
        (200, "novel_error", errors.ClaudeError),
    ],
)
def test_what_the_service_says_becomes_the_error_of_that_name(
    status: int, error_type: str, expected: type[ClaudeError]
):
    error = refused(status, error_type)
    assert type(error) is expected
    assert error.details == {"requestId": "req_1"}


def test_a_wait_that_the_service_asks_for_is_passed_on():
    assert refused(429, "rate_limit_error", **{"retry-after": "7"}).retry_after_ms == 7_000
    assert refused(529, "overloaded_error", **{"retry-after": "soon"}).asked_wait_ms is None


def test_no_message_holds_a_key_or_a_password():
    for status in (400, 401, 403, 404, 429, 500, 529):
        error = refused(status, "", f"Bad key {KEY}, or sk-ant-api03-another_one-99.")
        assert KEY not in error.message
        assert "another_one" not in error.message
    for failure in (
        anthropic.APIConnectionError(request=REQUEST),
        anthropic.APITimeoutError(request=REQUEST),
        anthropic.AnthropicError(f"{KEY}?"),
        httpx2.ReadError("gone"),
    ):
        message = failures.translated(failure, KEY).message
        assert KEY not in message
        assert "password" not in message


def test_a_long_explanation_is_cut():
    assert len(refused(400, "invalid_request_error", "x" * 10_000).message) < 1_000


def test_every_error_has_a_code_of_its_own_that_its_module_draws():
    classes = [getattr(errors, name) for name in errors.__all__]
    assert len({each.code for each in classes}) == len(classes)
    for each in classes:
        assert errors.__doc__ is not None
        drawn = next(line for line in errors.__doc__.splitlines() if f" {each.code} " in line)
        assert drawn.split()[-3:] == [each.code, str(each.status), each.retry]
        assert each.__name__ in drawn
