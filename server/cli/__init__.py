"""The ``headwater`` command."""

import sys

import typer

from server.cli.codegen import codegen
from server.cli.convert import convert
from server.cli.data import data
from server.cli.doctor import doctor
from server.cli.export import export
from server.cli.functions import functions
from server.cli.importing import import_
from server.cli.queries import queries
from server.cli.run import run
from server.cli.schedules import schedules
from server.cli.serve import serve
from server.cli.sidecar import sidecar
from server.cli.standin import standin
from server.cli.transcript import transcript
from server.cli.watch import watch
from server.core.errors import StartupError

__all__ = ["main"]

app = typer.Typer(
    help="A reactive document-store sync server: live MongoDB queries over Server-Sent Events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(functions)
app.command()(run)
app.command()(watch)
app.command()(queries)
app.command()(codegen)
app.command()(sidecar)
app.command()(schedules)
app.command()(standin)
app.command()(transcript)
app.command()(data)
app.command()(doctor)
app.command()(export)
app.command("import")(import_)
app.command()(convert)


@app.callback()
def _commands() -> None:
    """Keeps `serve` a command of its own, however few there are."""


def main() -> None:
    """Run the command; what keeps it from starting is one sentence and exit code 2."""
    try:
        app()
    except StartupError as error:
        print(f"headwater: {error}", file=sys.stderr)  # a terminal reads it
        sys.exit(2)
