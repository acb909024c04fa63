"""``headwater run``: call a function once."""

import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from server.cli.asking import FunctionArgument, HeaderOption, TextsArgument, asking, prepared
from server.cli.printable import printable_json
from server.cli.server_url import UrlOption
from server.cli.value_view import value_lines
from server.client import Client
from server.core.errors import StartupError

__all__ = ["run"]


def run(
    function: FunctionArgument,
    arguments: TextsArgument = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Of an action: print what it returns when it ends.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the value as one line of JSON, for programs.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="Of a mutation or action: equal keys are run once, and answer the same."),
    ] = None,
    url: UrlOption = None,
    header: HeaderOption = None,
) -> None:
    """Call a query, a mutation or an action of a running server, and print its value.

    A mutation that got no answer is sent again, and applied once.

    Exit codes: 1 the server refused or the function failed,
    2 it could not be asked, 130 Ctrl-C.

    Examples:
      headwater run tasks.list limit=5
      headwater run tasks.create '{"title": "Read the reports"}'
      headwater run streaming.streamChat taskId=6b080d… prompt='Hello' --wait
      headwater run users.upsert - < user.json
    """

    async def call(client: Client) -> Any:
        found, given = await prepared(client, function, arguments)
        if wait and found.kind != "action":
            raise StartupError(f"--wait is for actions, and {function} is a {found.kind}.")
        if idempotency_key is not None and found.kind == "query":
            raise StartupError(f"{function} is a query, which changes nothing twice.")
        if found.kind == "query":
            return await client.query(function, given)
        if found.kind == "mutation":
            return await client.mutation(function, given, idempotency_key=idempotency_key)
        return await client.action(function, given, wait=wait, idempotency_key=idempotency_key)

    value = asking(url, header, call)
    if as_json or not sys.stdout.isatty():
        print(printable_json(value, None if as_json else 2))  # for programs
    else:
        console = Console(highlight=False)
        for line in value_lines(value, value):
            for row in line.rows(console, console.width):
                console.print(row)
