"""A subscriber of one reply, on another process, who notices what a reader must never see."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.sse import Follower
from tests.survival.audit import RUNNING

__all__ = ["Witness", "taken_back", "witnessing"]


class Witness:
    """Follows a reply and its calls.

    Attributes:
        faults: What was seen that must not be.
    """

    def __init__(self, http: httpx2.AsyncClient, message: str) -> None:
        self.faults: list[str] = []
        self.follower = Follower(
            http,
            {
                "m": ("messages.get", {"messageId": message}),
                "t": ("toolCallTracking.byMessage", {"messageId": message}),
            },
            watch=self._saw,
        )

    def _saw(self, id_: str, old: Any, new: Any) -> None:
        if id_ == "m" and old is not None:
            self.faults += taken_back(old, new)

    @property
    def message(self) -> dict[str, Any]:
        return self.follower.values["m"]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return self.follower.values["t"]

    async def until(self, condition: Any, seconds: float = 60) -> None:
        """Wait until `condition` holds of the message and its calls."""
        try:
            await self.follower.until(lambda f: condition(f.values["m"], f.values["t"]), seconds)
        except TimeoutError:
            told, (_, args) = self.follower, self.follower.queries["m"]
            read = (await told.http.post("/api/query/messages.get", json=args)).json()
            raise AssertionError(
                f"it stayed so: {told.values}, at {told.position}; who asks is told {read}"
            ) from None

    async def ended(self, seconds: float = 60) -> dict[str, Any]:
        """The reply, when it does not run."""
        await self.until(lambda m, _: m["status"] not in RUNNING, seconds)
        return self.message


@asynccontextmanager
async def witnessing(http: httpx2.AsyncClient, message: str) -> AsyncIterator[Witness]:
    """Watch a reply while the block runs."""
    witness = Witness(http, message)
    async with witness.follower.following():
        await witness.follower.until(lambda f: f.values.get("m") and "t" in f.values)
        yield witness


def taken_back(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What was shown before and is not any more."""
    faults: list[str] = []
    if len(new["parts"]) < len(old["parts"]):
        faults.append(f"parts went: {old['parts']} became {new['parts']}")
    for before, after in zip(old["parts"], new["parts"], strict=False):
        for name, value in before.items():
            now = after.get(name)
            grows = name in ("text", "argsText")
            if not (now.startswith(value) if grows and isinstance(now, str) else now == value):
                faults.append(f"{name} of a part was {value!r} and became {now!r}")
    return faults
