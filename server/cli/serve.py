"""``headwater serve``: the server, on the embedded MongoDB unless told otherwise."""

import asyncio
import importlib
import importlib.util
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import Annotated

import typer
import uvicorn
from rich.console import Console
from rich.markup import escape

from server.app import Headwater, create_app
from server.core.errors import StartupError
from server.core.garbage import collect_less_garbage
from server.store.redact import shown_hosts

__all__ = ["listening_socket", "load_app", "serve"]

SEND_BUFFER_BYTES = 128 << 10
"""Of a connection. A stalled reader makes the kernel keep this much, not megabytes."""
USER_TIMEOUT_MS = 30_000
"""A connection whose peer takes nothing for this long is closed by the kernel."""
BACKLOG = 2048
"""Connections that may wait to be accepted."""
GRACE_SECONDS = 2
"""How long requests may go on after the server was told to stop."""


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
    application = create_app() if target is None else load_app(target)
    run = _run(application)
    if sys.platform == "win32":
        asyncio.run(run)
    else:
        import uvloop  # there is none for Windows

        uvloop.run(run)


async def _run(application: Headwater) -> None:
    settings = application.settings
    listener = listening_socket(settings.host, settings.port)
    config = uvicorn.Config(
        application,
        lifespan="off",  # entered here, so that a StartupError is a sentence
        log_level="warning",
        access_log=False,  # it would print URLs, and what is in them
        timeout_graceful_shutdown=GRACE_SECONDS,
        ws="none",
    )
    server = _Server(config, application)
    with server.capture_signals():
        async with application.lifespan():
            collect_less_garbage()
            if not server.should_exit:
                _greet(application, listener)
                await server.serve([listener])


class _Server(uvicorn.Server):
    """Uvicorn, but streams are ended first: it would wait for them for ever."""

    def __init__(self, config: uvicorn.Config, application: Headwater) -> None:
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order at the first signal; a second Ctrl-C does not wait for requests."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, let actions write their last words, and close."""
        await self._application.stop_serving()
        await super().shutdown(sockets)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens, and whose connections give up on readers who stall.

    It listens before there is anything to serve: of two servers that start at once on one port,
    one is refused here. Who connects meanwhile waits.

    Raises:
        StartupError: The address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise StartupError(
            f"Cannot listen on {host}:{port}: {reason}; stop what is there, or choose another "
            "port with --port or HEADWATER_PORT."
        ) from None
    return listener


def load_app(target: str) -> Headwater:
    """The application that `target` names, as ``file.py:app`` or ``module:app``.

    Raises:
        StartupError: There is no such application.
    """
    where, _, name = target.partition(":")
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    if module is None:
        raise StartupError(
            f"There is no app at {target!r}, for there is no such file or module; name it as "
            "file.py:app or module:app."
        )
    found = getattr(module, name or "app", None)
    if not isinstance(found, Headwater):
        what = f"has no {name or 'app'!r}"
        if found is not None:
            what = f"has a {type(found).__name__} called {name or 'app'!r}, not a Headwater app"
        raise StartupError(
            f"{where} {what}; name one made by create_app(functions=[…]), or serve an app of "
            "another kind, which mounts one, by its own server."
        )
    return found


def _load_module(name: str) -> ModuleType | None:
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name or name.startswith(f"{error.name}."):
            return None
        raise  # it is there, and lacks another: the trace tells which line wants it


def _load_file(path: Path) -> ModuleType | None:
    if not path.is_file():
        return None
    if path.stem in sys.modules or path.stem in sys.stdlib_module_names:
        raise StartupError(
            f"{path.name} would hide the Python module {path.stem!r}; give the file another name."
        )
    sys.path.insert(0, str(path.parent.resolve()))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def _greet(application: Headwater, listener: socket.socket) -> None:
    """Say where everything is."""
    settings = application.settings
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    lines = [f"[bold]Headwater[/bold]  {escape(f'http://{shown}:{port}')}"]
    if settings.mongodb_uri is None:
        lines.append(f"  MongoDB  embedded, {escape(application.mongodb_uri)}")
        lines.append(f"           data in {escape(str(settings.data_dir.resolve()))}")
    else:
        lines.append(f"  MongoDB  {escape(shown_hosts(settings.mongodb_uri))}")
    if settings.uses_standin:
        lines.append("  Claude   [yellow]the stand-in answers[/yellow]: set ANTHROPIC_API_KEY")
    elif settings.anthropic_api_key is None:
        lines.append("  Claude   callers bring their keys: ANTHROPIC_API_KEY is not set")
    else:
        lines.append("  Claude   by ANTHROPIC_API_KEY")
    if not application.authenticates and not settings.is_loopback:
        lines.append(
            "  [yellow]Whoever can reach this may call everything[/yellow]: "
            "create_app has no authenticate"
        )
    lines.append("  Ctrl-C stops it.")
    # Wrapped by the terminal only: a path or a URI that is broken in two cannot be copied.
    Console(highlight=False).print(*lines, sep="\n", soft_wrap=True)
