"""Everything a deployment can set, read once from the environment and frozen."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from pydantic import SecretStr

from server.core.errors import StartupError

__all__ = ["MEMORY_URI", "Driver", "Settings"]

MEMORY_URI = "memory:"

Driver = Literal["pymongo", "motor"]
"""What reads and writes: PyMongo's async API, or Motor where it must stay in use."""
DRIVERS: tuple[Driver, ...] = get_args(Driver)

OPERATOR_TOKEN_LENGTH_MIN = 16
"""A shorter one could be guessed."""


def _read(name: str) -> str | None:
    """An environment variable; an empty one counts as unset."""
    return os.environ.get(name, "").strip() or None


def _port() -> int:
    text = _read("HEADWATER_PORT") or "8000"
    if not text.isdecimal() or int(text) > 65_535:
        raise StartupError(f"HEADWATER_PORT is {text!r}; write a number from 0 to 65535.")
    return int(text)


def _origins() -> frozenset[str]:
    parts = (_read("HEADWATER_ALLOWED_ORIGINS") or "").split(",")
    origins = frozenset(part.strip().rstrip("/").lower() for part in parts if part.strip())
    for origin in origins:
        scheme, _, host = origin.partition("://")
        if not scheme or not host or "/" in host:
            raise StartupError(
                f"HEADWATER_ALLOWED_ORIGINS names {origin!r}; write scheme and host, such as "
                "https://app.example.com, with commas between several."
            )
    return origins


def _operator_token() -> SecretStr | None:
    text = _read("HEADWATER_OPERATOR_TOKEN")
    if text is None:
        return None
    if len(text) < OPERATOR_TOKEN_LENGTH_MIN or not text.isascii() or len(text.split()) > 1:
        raise StartupError(
            f"HEADWATER_OPERATOR_TOKEN cannot be used; write at least {OPERATOR_TOKEN_LENGTH_MIN} "
            "ASCII characters without spaces, such as `openssl rand -hex 32` gives."
        )
    return SecretStr(text)


def _standin() -> bool | None:
    text = _read("HEADWATER_STANDIN")
    if text is None:
        return None
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise StartupError(f"HEADWATER_STANDIN is {text!r}; write true or false.")


def _driver() -> Driver:
    return cast("Driver", (_read("HEADWATER_DRIVER") or "pymongo").lower())


@dataclass(frozen=True)
class Settings:
    """The settings of one server. What is not given is read from the environment, once.

    Raises:
        StartupError: A value cannot be used; the message says which and what to write instead.
    """

    host: str = field(default_factory=lambda: _read("HEADWATER_HOST") or "127.0.0.1")
    """``HEADWATER_HOST``: the address to bind."""
    port: int = field(default_factory=_port)
    """``HEADWATER_PORT``: the port to bind; 0 takes a free one."""
    mongodb_uri: str | None = field(
        default_factory=lambda: _read("HEADWATER_MONGODB_URI"), repr=False
    )
    """``HEADWATER_MONGODB_URI``: a replica set or Atlas; unset means the embedded MongoDB, and
    ``memory:`` a database in memory, for unit tests. Never logged whole: it may hold a password."""
    driver: Driver = field(default_factory=_driver)
    """``HEADWATER_DRIVER``: ``pymongo``, or ``motor`` to read and write through Motor."""
    data_dir: Path = field(
        default_factory=lambda: Path(_read("HEADWATER_DATA_DIR") or ".headwater")
    )
    """``HEADWATER_DATA_DIR``: where the embedded MongoDB keeps its data."""
    mongod: str | None = field(default_factory=lambda: _read("HEADWATER_MONGOD"))
    """``HEADWATER_MONGOD``: the mongod program to embed; unset looks on the PATH, then in the
    ``embedded`` extra."""
    allowed_origins: frozenset[str] = field(default_factory=_origins)
    """``HEADWATER_ALLOWED_ORIGINS``: comma-separated origins, beside our own, whose pages may
    call."""
    operator_token: SecretStr | None = field(default_factory=_operator_token)
    """``HEADWATER_OPERATOR_TOKEN``: who shows it may see what the server's live queries do."""
    anthropic_api_key: str | None = field(
        default_factory=lambda: _read("ANTHROPIC_API_KEY"), repr=False
    )
    """``ANTHROPIC_API_KEY``: unset means the stand-in answers for Claude."""
    anthropic_base_url: str | None = field(default_factory=lambda: _read("ANTHROPIC_BASE_URL"))
    """``ANTHROPIC_BASE_URL``: another address for Claude's API."""
    standin: bool | None = field(default_factory=_standin)
    """``HEADWATER_STANDIN``: true or false forces or forbids the stand-in; unset means: only
    without a key, and only on a loopback bind."""

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        if self.driver not in DRIVERS:
            raise StartupError(
                f"HEADWATER_DRIVER is {self.driver!r}; write {' or '.join(DRIVERS)}."
            )

    @property
    def in_memory(self) -> bool:
        """Whether the database is ``memory:``, for unit tests."""
        return self.mongodb_uri == MEMORY_URI

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")

    @property
    def uses_standin(self) -> bool:
        """Whether the stand-in answers for Claude."""
        if self.in_memory:
            return False  # no streaming there
        if self.standin is not None:
            return self.standin
        return self.anthropic_api_key is None and self.is_loopback
