"""Everything a deployment can set, read once from the environment and frozen."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.core.errors import StartupError

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """The settings of one server; each field names its environment variable.

    Raises:
        StartupError: A value cannot be used; the message says which and what to write instead.
    """

    host: str = "127.0.0.1"
    """``HEADWATER_HOST``: the address to bind."""
    port: int = 8000
    """``HEADWATER_PORT``: the port to bind; 0 takes a free one."""
    mongodb_uri: str | None = field(default=None, repr=False)
    """``HEADWATER_MONGODB_URI``: a replica set or Atlas; unset means the embedded MongoDB.
    Never logged whole: it may hold a password."""
    data_dir: Path = Path(".headwater")
    """``HEADWATER_DATA_DIR``: where the embedded MongoDB keeps its data."""
    mongod: str | None = None
    """``HEADWATER_MONGOD``: the mongod program to embed; unset looks on the PATH, then in the
    ``embedded`` extra."""
    allowed_origins: frozenset[str] = frozenset()
    """``HEADWATER_ALLOWED_ORIGINS``: comma-separated origins, beside our own, whose pages may
    call."""
    anthropic_api_key: str | None = field(default=None, repr=False)
    """``ANTHROPIC_API_KEY``: unset means the stand-in answers for Claude."""
    anthropic_base_url: str | None = None
    """``ANTHROPIC_BASE_URL``: another address for Claude's API."""
    standin: bool | None = None
    """``HEADWATER_STANDIN``: true or false forces or forbids the stand-in; unset means: only
    without a key, and only on a loopback bind."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings from `environ`; empty strings count as unset."""

        def get(name: str) -> str | None:
            return environ.get(name, "").strip() or None

        return cls(
            host=get("HEADWATER_HOST") or cls.host,
            port=_port(get("HEADWATER_PORT")),
            mongodb_uri=get("HEADWATER_MONGODB_URI"),
            data_dir=Path(get("HEADWATER_DATA_DIR") or cls.data_dir),
            mongod=get("HEADWATER_MONGOD"),
            allowed_origins=_origins(get("HEADWATER_ALLOWED_ORIGINS")),
            anthropic_api_key=get("ANTHROPIC_API_KEY"),
            anthropic_base_url=get("ANTHROPIC_BASE_URL"),
            standin=_switch("HEADWATER_STANDIN", get("HEADWATER_STANDIN")),
        )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")


def _port(text: str | None) -> int:
    if text is None:
        return Settings.port
    if not text.isdigit() or int(text) > 65_535:
        raise StartupError(f"HEADWATER_PORT is {text!r}; write a number from 0 to 65535.")
    return int(text)


def _origins(text: str | None) -> frozenset[str]:
    origins = frozenset(
        part.strip().rstrip("/") for part in (text or "").split(",") if part.strip()
    )
    for origin in origins:
        if "://" not in origin or "/" in origin.split("://", 1)[1]:
            raise StartupError(
                f"HEADWATER_ALLOWED_ORIGINS names {origin!r}; write scheme and host, such as "
                "https://app.example.com, with commas between several."
            )
    return origins


def _switch(name: str, text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise StartupError(f"{name} is {text!r}; write true or false.")
