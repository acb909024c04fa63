"""What the stand-in was asked, for tests to look at."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Outcome", "ReceivedRequest"]

Outcome = Literal["answering", "answered", "refused", "failed as told", "client left", "stopped"]


@dataclass(slots=True)
class ReceivedRequest:
    """One call of ``POST /v1/messages``."""

    request_id: str
    client: tuple[str, int] | None
    """The client's address and port: equal for calls on one connection."""
    key: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    """By lower-case name, without those that carry the key."""
    body: dict[str, Any]
    """Empty when the body was not a JSON object."""
    outcome: Outcome = "answering"
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set once `outcome` is final."""

    def end(self, outcome: Outcome) -> None:
        """Note how it ended; the first to say so is right."""
        if not self.ended.is_set():
            self.outcome = outcome
            self.ended.set()
