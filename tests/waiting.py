"""Waiting for what no event tells."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.005)
