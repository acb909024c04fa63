"""``headwater standin``: the stand-in for Claude's API, by itself."""

from typing import Annotated

import typer

from server.core.errors import StartupError
from server.llm.standin import run_standin

__all__ = ["standin"]


def standin(
    host: Annotated[str, typer.Option(help="The address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to bind; 0 takes a free one.")] = 8010,
) -> None:
    """Answer like Claude's Messages API, without Claude. Set ANTHROPIC_BASE_URL to its address."""
    try:
        run_standin(host, port)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise StartupError(
            f"The stand-in cannot listen on {host}:{port}: {reason.lower()}; choose another --port."
        ) from None
