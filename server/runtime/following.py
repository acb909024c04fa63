"""Follows a live query from inside the server, as a subscriber does from outside."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from schemas.wire.position import Time
from server.live.live_query import LiveQuery, QueryKey, RunQuery
from server.live.registry import Registry

__all__ = ["follow"]


class _Follower:
    """Is told that there is news, and remembers no more than that."""

    def __init__(self) -> None:
        self.news = asyncio.Event()

    def touched(self, query: LiveQuery) -> None:
        """`query` has a new value, or became stale or clean."""
        self.news.set()


async def follow(
    registry: Registry, key: QueryKey, name: str, run: RunQuery, since: Time
) -> AsyncGenerator[Any, None]:
    """The values of a query, as clients see them: the present one, then each that differs.

    A reader that is slow gets the newest; values in between are skipped. Wrap it in
    `contextlib.aclosing`, so that leaving lets go of the live query at once.

    Args:
        registry: Where live queries live.
        key: Under which the query is shared.
        name: Its name, for diagnostics.
        run: Runs it.
        since: No value is given that was true only before.

    Raises:
        HeadwaterError: The query's own error.
    """
    follower = _Follower()
    query = registry.subscribe(key, name, run, follower)
    try:
        while not await registry.reached(since):
            pass  # it waits by itself; the feed may be looking for its MongoDB
        seen: tuple[int, int] | None = None
        while True:
            follower.news.clear()
            is_old = seen is None and query.through is not None and query.through < since
            if query.ready and not is_old and query.error is not None:
                raise query.error
            if query.ready and not is_old and (query.losses, query.log.end) != seen:
                seen = (query.losses, query.log.end)
                yield query.value()
            else:
                await follower.news.wait()
    finally:
        registry.unsubscribe(query, follower)
