"""What operators are told of a live query: how it is kept current, why so, what that costs."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest

from schemas.wire.live_queries import LiveQueryRow, Strategy
from server.core import limits
from server.live.live_query import Cause, LiveQuery
from server.live.read_set import ReadMade

__all__ = ["Sums", "costliest", "diagnose", "measure", "reason_of", "strategy_of", "sums"]

REASON_LENGTH_MAX = 240

_READING: dict[Cause, str] = {
    "subscribed": "its first value is being read",
    "lost": "history was lost, so it is being read anew",
    "failed": "its value could not be kept current, so it is being read anew",
    "dry": "a window held too little or too much, so it is being read anew",
}


def strategy_of(query: LiveQuery) -> Strategy:
    """How `query` is kept current."""
    if not query.ready:
        return "reading"
    if query.reads:
        return "rerun"
    for window in query.windows:
        if window.matcher.asks is not None:
            return "asked"
    if query.windows:
        return "maintained"
    return "constant" if query.stale_from is None else "reading"


def reason_of(query: LiveQuery) -> str:
    """Why `query` is kept current as it is."""
    match strategy_of(query):
        case "reading":
            reason = _READING.get(query.cause, "it is being read anew")
        case "rerun":
            reason = "; ".join(dict.fromkeys(map(_why_rerun, query.reads)))
        case "asked":
            why = next(one.matcher.asks for one in query.windows if one.matcher.asks is not None)
            reason = f"{why}, so it is asked about each changed document"
        case "maintained":
            reason = "what it returns is kept current from change events alone"
        case "constant" if query.error is not None:
            reason = "it failed before it read anything"
        case "constant":
            reason = "it reads nothing"
    return reason if len(reason) <= REASON_LENGTH_MAX else reason[: REASON_LENGTH_MAX - 1] + "…"


def _why_rerun(read: ReadMade) -> str:
    collection = read.spec.table.collection
    if read.why_read is not None:
        return f"its find of {collection} cannot be maintained: {read.why_read}"
    if read.why_not is not None:
        return f"it awaits {collection}, of which any change runs it again: {read.why_not}"
    if read.ids is None:
        return f"it awaits {collection}, and which documents it read is not known"
    return f"it awaits {collection}"


def diagnose(query: LiveQuery, arguments: str, caller: str | None, now: float) -> LiveQueryRow:
    """The row of `query`.

    Args:
        query: Which.
        arguments: As an operator may see them.
        caller: A digest of its caller, where it has one.
        now: The monotonic clock, in seconds.
    """
    stale = query.stale_from is not None
    return LiveQueryRow(
        function=query.name,
        arguments=arguments,
        caller=caller,
        strategy=strategy_of(query),
        reason=reason_of(query),
        subscribers=len(query.watchers),
        lingering=not query.watchers,
        result_count=query.result_count,
        result_bytes=query.result_bytes,
        log_count=len(query.log),
        log_bytes=query.log.bytes,
        events=query.events,
        runs=query.runs,
        cause=query.cause,
        reads=query.read_count,
        asked=query.asked,
        lag_ms=round((now - query.stale_since) * 1000) if stale else 0,
        error=None if query.error is None else query.error.code,
    )


def costliest(queries: Iterable[LiveQuery], count: int) -> list[LiveQuery]:
    """The `count` of `queries` that cost most: reads first, then changes, then size."""
    return nlargest(count, queries, key=lambda one: (one.read_count, one.events, one.result_bytes))


def measure(queries: Iterable[LiveQuery]) -> None:
    """Find out how large the results are, as far as that may cost; they change without it."""
    left = limits.DIAGNOSIS_BYTES_MAX
    for query in queries:
        if query.ready and query.error is None and query.result_bytes <= left:
            left -= len(query.snapshot())


@dataclass(frozen=True, slots=True)
class Sums:
    """What many live queries come to.

    Attributes:
        strategies: How many there are of each.
        subscribers: How many subscriptions they have.
        log_bytes: The patches kept for readers who are behind.
    """

    strategies: Counter[Strategy]
    subscribers: int
    log_bytes: int


def sums(queries: Iterable[LiveQuery]) -> Sums:
    """The sums of `queries`."""
    strategies: Counter[Strategy] = Counter()
    subscribers = log_bytes = 0
    for query in queries:
        strategies[strategy_of(query)] += 1
        subscribers += len(query.watchers)
        log_bytes += query.log.bytes
    return Sums(strategies, subscribers, log_bytes)
