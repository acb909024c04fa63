"""A server in this process: its socket, its signals, what it says of itself."""

import os
import signal
import socket
from types import FrameType

import uvicorn
from rich.console import Console
from rich.markup import escape

from server.app import Headwater
from server.core.errors import StartupError
from server.core.garbage import collect_less_garbage
from server.store.redact import shown_hosts

__all__ = [
    "EMBEDDED_VARIABLE",
    "LISTENER_VARIABLE",
    "QUIET_VARIABLE",
    "listening_socket",
    "run_server",
]

EMBEDDED_VARIABLE = "HEADWATER_EMBEDDED"
"""Set where HEADWATER_MONGODB_URI is that of a MongoDB which the parent process embeds."""
LISTENER_VARIABLE = "HEADWATER_LISTENER"
"""In a worker's environment: the number of the socket that it was handed."""
QUIET_VARIABLE = "HEADWATER_QUIET"
"""In a worker's environment: another says where everything is."""

SEND_BUFFER_BYTES = 128 << 10
"""Of a connection. A stalled reader makes the kernel keep this much, not megabytes."""
USER_TIMEOUT_MS = 30_000
"""A connection whose peer takes nothing for this long is closed by the kernel."""
BACKLOG = 2048
"""Connections that may wait to be accepted."""
GRACE_SECONDS = 2
"""How long requests may go on after the server was told to stop."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than clients and proxies keep one, for a request
that is sent while the server closes is lost."""


async def run_server(application: Headwater) -> None:
    """Serve `application` where its settings say, until told to stop.

    Raises:
        StartupError: It cannot start.
    """
    settings = application.settings
    handed = os.environ.pop(LISTENER_VARIABLE, None)
    if handed is None:
        listener = listening_socket(settings.host, settings.port)
    else:
        listener = socket.socket(fileno=int(handed))
    config = uvicorn.Config(
        application,
        lifespan="off",  # entered here, so that a StartupError is a sentence
        log_level="warning",
        access_log=False,  # it would print URLs, and what is in them
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ws="none",
    )
    server = _Server(config, application)
    with server.capture_signals():
        async with application.lifespan():
            collect_less_garbage()
            if not server.should_exit:
                if QUIET_VARIABLE not in os.environ:
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


def _greet(application: Headwater, listener: socket.socket) -> None:
    """Say where everything is."""
    settings = application.settings
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    lines = [f"[bold]Headwater[/bold]  {escape(f'http://{shown}:{port}')}"]
    if settings.in_memory:
        lines.append(
            "  MongoDB  [yellow]in memory[/yellow]: what is written ends with this process"
        )
    elif settings.mongodb_uri is None or EMBEDDED_VARIABLE in os.environ:
        lines.append(f"  MongoDB  embedded, {escape(application.mongodb_uri)}")
        lines.append(f"           data in {escape(str(settings.data_dir.resolve()))}")
    else:
        lines.append(f"  MongoDB  {escape(shown_hosts(settings.mongodb_uri))}")
    if settings.in_memory:
        lines.append("  Claude   does not stream on a database in memory")
    elif settings.uses_standin:
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
