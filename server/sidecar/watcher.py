"""Tells what happens to the files of a directory.

The platform's notices are taken as an alarm only; what happened is the difference between two
scans. So nothing that the platform forgets, merges or tells out of order is told wrongly.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import PurePath

from watchfiles import Change as Notice
from watchfiles import (
    awatch,  # pyright: ignore[reportUnknownVariableType]  # its trio half is unknown
)

from server.sidecar import limits
from server.sidecar.confined import Confined
from server.sidecar.file_changes import Change, changes_between
from server.sidecar.ignoring import is_ignored
from server.sidecar.scan import Scan, scan

__all__ = ["Watcher"]

_log = logging.getLogger("headwater")


class Watcher:
    """Follows one directory.

    Attributes:
        trouble: Why not all of it is watched; None where all is.
    """

    def __init__(self, directory: Confined) -> None:
        self._directory = directory
        self._scan = Scan({}, is_whole=True)
        self.trouble: str | None = None

    async def begin(self) -> None:
        """Take what is there now as known."""
        self._take(await asyncio.to_thread(scan, self._directory))

    async def look(self) -> list[Change]:
        """What happened since the last look."""
        before = self._scan
        now = await asyncio.to_thread(scan, self._directory, before)
        changes = await asyncio.to_thread(changes_between, before.files, now.files)
        self._take(now)
        return changes

    async def changes(self) -> AsyncGenerator[list[Change]]:
        """What happens, some of it at a time; without end."""
        async with aclosing(self._alarms()) as alarms:
            async for _ in alarms:
                began = time.monotonic()
                changes = await self.look()
                took = time.monotonic() - began
                if changes:
                    yield changes
                await asyncio.sleep(took * limits.SCAN_SHARE)

    async def _alarms(self) -> AsyncGenerator[None]:
        """Whenever something may have happened, without end."""
        try:
            notices = awatch(
                self._directory.path,
                watch_filter=self._interests,
                debounce=limits.SCAN_DEBOUNCE_MS,
                rust_timeout=round(limits.RESCAN_SECONDS * 1000),
                yield_on_timeout=True,
                ignore_permission_denied=True,
            )
            async with aclosing(notices):
                first = asyncio.ensure_future(anext(notices))
                try:
                    # What happened before the platform began to watch gives no notice.
                    await asyncio.wait([first], timeout=limits.SETTLE_SECONDS)
                    yield
                    await first
                    yield
                finally:
                    first.cancel()
                    await asyncio.wait([first])
                async for _ in notices:
                    yield
        except OSError as error:
            _log.warning("The platform does not watch the directory (%s): it is polled", error)
        while True:
            await asyncio.sleep(limits.POLL_SECONDS)
            yield

    def _interests(self, _notice: Notice, path: str) -> bool:
        inside = PurePath(path).relative_to(self._directory.path)
        return not any(map(is_ignored, inside.parts))

    def _take(self, found: Scan) -> None:
        self._scan = found
        self.trouble = (
            None
            if found.is_whole
            else f"More than {limits.FILES_MAX:,} files: not all of them are watched."
        )
