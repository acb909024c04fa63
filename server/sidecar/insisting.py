"""Asks a server that may be away, for as long as it takes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.client import HeadwaterError
from server.sidecar import limits

__all__ = ["insist", "retry_seconds"]

_T = TypeVar("_T")


async def insist(ask: Callable[[], Awaitable[_T]]) -> _T:
    """What `ask` gives, asked again while it fails for a reason that passes.

    Raises:
        HeadwaterError: Asking again would give the same answer.
    """
    failures = 0
    while True:
        try:
            return await ask()
        except HeadwaterError as error:
            if error.retry == "never":
                raise
        failures += 1
        await asyncio.sleep(retry_seconds(failures))


def retry_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row, at least 1."""
    doubled = limits.RETRY_SECONDS_MIN * 2 ** min(failures - 1, 16)
    return min(limits.RETRY_SECONDS_MAX, doubled) * (0.5 + random.random() / 2)  # noqa: S311
