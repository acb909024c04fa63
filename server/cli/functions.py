"""``headwater functions``: what a server can be asked for."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from server.cli.asking import HeaderOption, asking
from server.cli.printable import printable, printable_json
from server.cli.server_url import UrlOption
from server.client import Argument, Client, FunctionDescription

__all__ = ["functions"]

_STYLES = {"query": "green", "mutation": "yellow", "action": "magenta"}


def functions(
    module: Annotated[
        str | None, typer.Argument(help="Those of one module only, such as tasks.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    url: UrlOption = None,
    header: HeaderOption = None,
) -> None:
    """List the functions of a running server: kind, name, arguments, and what they are for.

    Examples:
      headwater functions
      headwater functions tasks
      headwater functions --json
    """

    async def ask(client: Client) -> list[FunctionDescription]:
        return await client.functions()

    found = asking(url, header, ask)
    if module is not None:
        found = [one for one in found if one.name.partition(".")[0] == module]
    if as_json:
        print(printable_json([_as_json(one) for one in found]))  # for programs
    else:
        Console(highlight=False).print(_shown(found))


def _as_json(function: FunctionDescription) -> dict[str, object]:
    arguments = [
        {"name": one.name, "type": one.type, "required": one.required}
        | ({} if one.required else {"default": one.default})
        for one in function.arguments
    ]
    return {
        "name": function.name,
        "kind": function.kind,
        "arguments": arguments,
        "summary": function.summary,
    }


def _shown(found: Sequence[FunctionDescription]) -> Table | Text:
    """A line for each with its kind and its arguments, and under it what it is for."""
    if not found:
        return Text("There are none.", style="dim")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for function in found:
        table.add_row(Text(function.kind, style=_STYLES[function.kind]), _signature(function))
        if function.summary:
            summary = Text(printable(function.summary), style="dim")
            table.add_row("", Padding(summary, (0, 0, 0, 2)))
    return table


def _signature(function: FunctionDescription) -> Text:
    text = Text(printable(function.name), style="bold")
    for argument in function.arguments:
        text.append(f" {_written(argument)}", style="not bold cyan")
    return text


def _written(argument: Argument) -> str:
    """``name:type``; with ``?`` or its default where it need not be given. It does not break."""
    written = argument.name if argument.required else f"{argument.name}?"
    kind = argument.type.removesuffix(" | null") if not argument.required else argument.type
    default = "" if argument.default is None else f"={printable_json(argument.default)}"
    return printable(f"{written}:{kind}{default}").replace(" ", "\u00a0")
