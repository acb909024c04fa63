"""Which server a command asks: the one that is named, or the one that the settings would start."""

from typing import Annotated

import typer

from server.settings import Settings

__all__ = ["UrlOption", "own_url"]

UrlOption = Annotated[
    str | None, typer.Option(help="The server; where HEADWATER_HOST and _PORT say, by itself.")
]


def own_url() -> str:
    """Where `headwater serve` with these settings listens."""
    settings = Settings()
    host = settings.host if settings.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
