"""How long Claude is waited for, and how often it is asked again."""

from dataclasses import dataclass

__all__ = ["ClaudeLimits"]


@dataclass(frozen=True, slots=True)
class ClaudeLimits:
    """How long we wait for Claude, and how often we ask again."""

    connect_timeout_ms: int = 10_000
    silence_timeout_ms: int = 120_000
    """Without a single byte. The service sends pings while it thinks, so this much silence means a
    lost connection."""
    event_timeout_ms: int = 600_000
    """Without an event; pings do not count."""
    retries_max: int = 2
    """Only for requests that were turned away before the reply began."""
    retry_delay_ms: int = 500
    """Before the first retry, unless the service says otherwise; doubled before the next."""
    retry_after_ms_max: int = 20_000
    """A service that asks us to wait longer is not waited for: the caller is told."""
    drain_timeout_ms: int = 500
    """After the last event, for the end of the response, so that its connection can be reused."""

    def __post_init__(self) -> None:
        assert self.silence_timeout_ms <= self.event_timeout_ms
        assert self.retry_delay_ms <= self.retry_after_ms_max
