"""``headwater serve``: the server, on the embedded MongoDB unless told otherwise."""

import asyncio
import os
import sys
from typing import Annotated

import typer

__all__ = ["serve"]


def serve(
    target: Annotated[
        str | None,
        typer.Argument(help="An app of your own, as file.py:app or module:app."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="The address to bind, 127.0.0.1 by itself.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="The port to bind, 8000 by itself; 0: a free one."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that serve, on one port.")
    ] = 1,
    reload: Annotated[
        bool, typer.Option("--reload", help="Begin anew when a Python file of the app changes.")
    ] = False,
) -> None:
    """Serve the built-in application, or one of your own.

    Without HEADWATER_MONGODB_URI it runs on a MongoDB of its own, whose data is in .headwater/.

    Examples:
      headwater serve
      headwater serve chat.py:app --port 9000
      headwater serve chat.py:app --reload
      headwater serve --workers 4
    """
    if host is not None:
        os.environ["HEADWATER_HOST"] = host
    if port is not None:
        os.environ["HEADWATER_PORT"] = str(port)
    if workers > 1 or reload:
        from server.cli.crew import run_crew  # only where asked for

        sys.exit(asyncio.run(run_crew(target, workers, reload=reload)))
    # Here, because the other commands need none of it, nor the second that it takes.
    from server.app import create_app
    from server.cli.serving import run_server
    from server.cli.target import load_app

    run = run_server(create_app() if target is None else load_app(target))
    if sys.platform == "win32":
        asyncio.run(run)
    else:
        import uvloop  # there is none for Windows

        uvloop.run(run)
