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
) -> None:
    """Serve the built-in application, or one of your own.

    Without HEADWATER_MONGODB_URI it runs on a MongoDB of its own, whose data is in .headwater/.

    Examples:
      headwater serve
      headwater serve chat.py:app --port 9000
    """
    if host is not None:
        os.environ["HEADWATER_HOST"] = host
    if port is not None:
        os.environ["HEADWATER_PORT"] = str(port)
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
