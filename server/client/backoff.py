"""How long to wait before trying again."""

from server.client import limits

__all__ = ["retry_seconds"]


def retry_seconds(failures: int, retry_after_ms: int | None, random: float) -> float:
    """Doubling delays, each drawn from the upper half of its range.

    So the clients of a server that restarts do not all come back in the same moment.

    Args:
        failures: How many came in a row; at least 1.
        retry_after_ms: What the server asked for; it is not undercut, up to `RETRY_AFTER_MS_MAX`.
        random: From 0 to 1.
    """
    range_ms = min(limits.RETRY_MS_MAX, limits.RETRY_MS_MIN * 2 ** min(failures - 1, 16))
    drawn_ms = range_ms * (0.5 + random / 2)
    if retry_after_ms is not None:
        drawn_ms = min(retry_after_ms, limits.RETRY_AFTER_MS_MAX) + drawn_ms / 2
    return drawn_ms / 1000
