"""Who may look into the server: its operators, by a token of their own."""

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

from server.core.errors import Forbidden, Malformed, Unauthenticated
from server.web.services import Services

__all__ = ["require_operator", "row_limit"]

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def require_operator(request: Request, services: Services) -> None:
    """Let operators pass, and nobody else.

    With ``HEADWATER_OPERATOR_TOKEN`` set, whoever shows it. Without, only where nothing is guarded
    at all: the application has no `authenticate`, listens on loopback, and is asked from there, by
    a name of this machine. The last keeps out a page whose host's address was changed to ours.

    Raises:
        Unauthenticated: The token is missing or wrong.
        Forbidden: There is no token to show.
    """
    token = services.settings.operator_token
    if token is not None:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        given, wanted = shown.strip().encode(), token.get_secret_value().encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, wanted):
            raise Unauthenticated(
                "Only operators may see this: send the server's HEADWATER_OPERATOR_TOKEN as "
                "'Authorization: Bearer …'."
            )
    elif (
        services.authenticate is not None
        or not services.settings.is_loopback
        or not _is_from_here(request)
    ):
        raise Forbidden(
            "Only operators may see this, and this server has no token for them: start it with "
            "HEADWATER_OPERATOR_TOKEN set, and send that as 'Authorization: Bearer …'."
        )


def row_limit(request: Request, default: int, most: int) -> int:
    """How many rows ``limit=`` asks for.

    Raises:
        Malformed: It is no such number.
    """
    text = request.query_params.get("limit", str(default))
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= most:
        raise Malformed(f"limit must be a number from 1 to {most}.")
    return int(text)


def _is_from_here(request: Request) -> bool:
    """Whether a program on this machine asks, by a loopback address or its name."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        asked = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return _is_loopback(request.client.host) and (asked == "localhost" or _is_loopback(asked))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
