"""What commands that ask a server have in common: how they reach it, and how they fail.

Exit codes: 1 where the server refused or the function failed, 2 where it could not be asked, 130
where Ctrl-C ended the waiting. What went wrong is one sentence on stderr.
"""

import asyncio
import difflib
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from server.cli.call_arguments import arguments_of
from server.cli.printable import printable
from server.cli.server_url import own_url
from server.client import BadAnswer, Client, FunctionDescription, HeadwaterError, NotReached
from server.core.errors import StartupError

__all__ = [
    "FunctionArgument",
    "HeaderOption",
    "TextsArgument",
    "asking",
    "complain",
    "headers_of",
    "prepared",
]

_T = TypeVar("_T")


def _complete_function(ctx: typer.Context, incomplete: str) -> list[str]:
    """The functions that a running server has; none where there is none that answers."""

    async def names() -> list[str]:
        async with Client(ctx.params.get("url") or own_url()) as client, asyncio.timeout(1):
            return [one.name for one in await client.functions()]

    try:
        return [name for name in asyncio.run(names()) if name.startswith(incomplete)]
    except (HeadwaterError, ValueError, TimeoutError):
        return []


FunctionArgument = Annotated[
    str, typer.Argument(help="module.function", autocompletion=_complete_function)
]
TextsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[JSON | name=value | -]...",
        help="Its arguments: a JSON object, name=value, or - for a JSON object on standard input.",
    ),
]
HeaderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        "-H",
        metavar="'Name: value'",
        help="Sent along, may be repeated. HEADWATER_BEARER in the environment is sent as "
        "Authorization: Bearer, and seen by nobody else.",
    ),
]


def asking(
    url: str | None, headers: Sequence[str] | None, body: Callable[[Client], Awaitable[_T]]
) -> _T:
    """Run `body` with a client of the server.

    Raises:
        StartupError: The server could not be asked.
        Exit: The server refused, or Ctrl-C came.
    """

    async def whole() -> _T:
        async with Client(url or own_url(), headers=headers_of(headers or ())) as client:
            return await body(client)

    try:
        return asyncio.run(whole())
    except NotReached as error:
        raise StartupError(
            f"{error.message} Start one by `headwater serve`, or name it by --url."
        ) from None
    except BadAnswer as error:
        raise StartupError(f"{error.message} Name another server by --url.") from None
    except HeadwaterError as error:
        complain(error)
        raise typer.Exit(1) from None
    except ValueError as error:  # of the address or a header
        raise StartupError(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def complain(error: HeadwaterError) -> None:
    """Say why, in a line."""
    message = printable(" ".join(error.message.split()))
    print(f"headwater: {message} ({printable(error.code)})", file=sys.stderr)  # of a terminal


def headers_of(texts: Sequence[str]) -> dict[str, str]:
    """Headers written as on a command line, and the bearer of the environment.

    Raises:
        ValueError: One is written otherwise.
    """
    headers: dict[str, str] = {}
    if bearer := os.environ.get("HEADWATER_BEARER", "").strip():
        headers["Authorization"] = f"Bearer {bearer}"
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise ValueError("A header is written as 'Name: value'.")
        headers[name.strip()] = value.strip()
    return headers


async def prepared(
    client: Client, name: str, texts: Sequence[str] | None
) -> tuple[FunctionDescription, dict[str, Any]]:
    """The function of that name, and the arguments that `texts` say.

    Raises:
        StartupError: The server has no such function, or the arguments cannot be read.
    """
    functions = {one.name: one for one in await client.functions()}
    if name not in functions:
        close = " or ".join(difflib.get_close_matches(name, functions, n=3))
        raise StartupError(
            f"{client.url} has no function {printable(name[:100])!r}; "
            + (f"is it {close}? " if close else "")
            + "`headwater functions` lists them."
        )
    function = functions[name]
    return function, arguments_of(function, texts or (), sys.stdin)
