"""Who asks: the application's `authenticate`, and the callers it makes."""

import inspect
from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection

from server.core.errors import Unauthenticated
from server.runtime import ANONYMOUS, Caller

__all__ = ["Authenticate", "caller_of"]

Authenticate = Callable[[HTTPConnection], Awaitable[Caller | None] | Caller | None]
"""Turns a request into its caller; None refuses it. It may read headers, cookies and, of a stream,
the query parameter `ticket`; it may raise any `HeadwaterError`."""


async def caller_of(connection: HTTPConnection, authenticate: Authenticate | None) -> Caller:
    """The caller of a request.

    Raises:
        Unauthenticated: The application does not know who this is.
    """
    if authenticate is None:
        return ANONYMOUS
    found = authenticate(connection)
    caller = await found if inspect.isawaitable(found) else found
    if caller is None:
        raise Unauthenticated("This server wants to know who asks; sign in and try again.")
    return caller
