"""``headwater doctor``: whether a server could work here, and what to do where it could not."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.printable import printable
from server.core.checks import Check, problem
from server.core.errors import StartupError
from server.settings import Settings

__all__ = ["doctor"]

DATABASE_SECONDS_MAX = 30.0
"""How long all that is asked of the database may take."""
_STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


def doctor(
    app: Annotated[
        str | None, typer.Option(help="An app of your own, whose tables to look at.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask Claude something, which costs a few tokens.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Look whether a server could work with these settings, and say what to do
    where not.

    It looks at MongoDB (whether it is a replica set, its version, what this
    user may do there, how long it remembers, its indexes), the embedded
    MongoDB's program and folder, the port, and Claude's key. Nothing is
    changed. The exit code is 1 where something would not work.

    Examples:
      headwater doctor
      headwater doctor --app notes.py:app --live
      HEADWATER_MONGODB_URI=mongodb+srv://… headwater doctor --json
    """
    settings = Settings()
    checks = asyncio.run(_all(settings, app, live=live))
    fine = all(check.state != "problem" for check in checks)
    if as_json:
        print(json.dumps({"ok": fine, "checks": list(map(asdict, checks))}))  # for a program
    else:
        _show(checks)
    sys.exit(0 if fine else 1)


async def _all(settings: Settings, app: str | None, *, live: bool) -> list[Check]:
    # Here, because other commands need no driver and no HTTP.
    from server.cli.surroundings import check_claude, check_folder, check_port, check_program

    checks: list[Check] = []
    if settings.mongodb_uri is None:
        checks += [await check_program(settings.mongod), check_folder(settings.data_dir)]
    if all(check.state != "problem" for check in checks):
        checks += [one async for one in _database(settings, app)]
    checks += [check_port(settings), await check_claude(settings, live=live)]
    return checks


async def _database(settings: Settings, app: str | None) -> AsyncGenerator[Check]:
    from server.cli.database import database_at
    from server.cli.tables import declared_tables
    from server.store.checkup import check_history, check_indexes, check_rights
    from server.store.connection import connect_client, database_name
    from server.store.data_folder import DataFolder
    from server.store.deployment import check_deployment

    if settings.mongodb_uri is None and not DataFolder(settings.data_dir).has_data:
        yield Check("MongoDB", "note", "embedded, not made yet", "The first `serve` makes it.")
        return
    tables = declared_tables(app).values()
    try:
        async with (
            asyncio.timeout(DATABASE_SECONDS_MAX),
            database_at(settings) as (uri, shown),
            await connect_client(uri, app_name="headwater doctor") as client,
        ):
            name = database_name(uri)
            found = await check_deployment(client, name)
            version = ".".join(map(str, found.version))
            says = f"{version}, replica set {found.replica_set!r}, database {name!r} at {shown}"
            yield Check("MongoDB", "ok", says)
            for check in await check_rights(client[name]):
                yield check
            yield await check_history(client[name])
            yield await check_indexes(client[name], tables)
    except StartupError as error:
        yield problem("MongoDB", str(error))
    except TimeoutError:
        yield problem(
            "MongoDB",
            f"it did not answer all within {DATABASE_SECONDS_MAX:.0f} s; look whether it is "
            "overloaded, or the network is slow.",
        )


def _show(checks: Sequence[Check]) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in ("state", "name", "said"):
        table.add_column(name, overflow="fold")  # a path that is cut short names nothing
    for check in checks:
        said = Text(printable(check.says))
        if check.cure is not None:
            said.append(f"\n{printable(check.cure)}", style=_STYLES[check.state])
        state = Text(check.state, style=_STYLES[check.state])
        table.add_row(state, Text(check.name, style="bold"), said)
    Console(highlight=False).print(table)
