"""What operators are told of live queries: the body of ``GET /api/live-queries``."""

from typing import Literal

from schemas.document import Part

__all__ = ["LiveQueries", "LiveQueryRow", "LiveQueryTotals", "Strategy"]

Strategy = Literal["maintained", "asked", "rerun", "constant", "reading"]
"""How a result is kept current: from change events alone; from them, but MongoDB is asked whether
a changed document matches; by running the function again; it never changes; or its first value,
or its next after it was lost, is just being read."""


class LiveQueryRow(Part):
    """One live query.

    Attributes:
        function: ``module.function``.
        arguments: As JSON, shortened; what could be a secret is left out.
        caller: A digest, the same for the same caller; absent where the query cannot see it.
        strategy: How it is kept current.
        reason: Why so.
        subscribers: How many streams watch it.
        lingering: Whether nobody does, and it will soon be dropped.
        result_count: How many documents, or members of lists, its value has.
        result_bytes: About how large that is as JSON.
        log_count: How many patches are kept for readers who are behind.
        log_bytes: How large they are.
        events: How many changes have touched it.
        runs: How often its function was run.
        cause: Why it is, or was last, to be run.
        reads: How many reads of MongoDB it caused.
        asked: How many documents MongoDB was asked about for it.
        lag_ms: For how long its value has not been known to be current; 0 where it is.
        error: The code of the error that it shows instead of a value.
    """

    function: str
    arguments: str
    caller: str | None = None
    strategy: Strategy
    reason: str
    subscribers: int
    lingering: bool
    result_count: int
    result_bytes: int
    log_count: int
    log_bytes: int
    events: int
    runs: int
    cause: str
    reads: int
    asked: int
    lag_ms: int
    error: str | None = None


class LiveQueryTotals(Part):
    """All live queries of one process.

    Attributes:
        queries: How many there are, by strategy.
        subscribers: How many subscriptions they have.
        events: Changes that the feed has taken in.
        touches: Changes that touched a live query, once for each that they touched.
        runs: Runs of query functions.
        reads: Reads of MongoDB, by what they were for: the causes of runs, ``unheld`` for
            documents that a change could have let in, ``asked`` for whether documents match.
        unheld: Documents read because a change could have let them in.
        asked: Documents that MongoDB was asked about.
        ticks: Written so that time passes where nobody writes.
        log_bytes: Patches kept for readers who are behind.
        feed_lag_ms: How far the change stream is behind MongoDB.
        interruptions: How often it had to be opened again.
        losses: How often history was lost.
    """

    queries: dict[str, int]
    subscribers: int
    events: int
    touches: int
    runs: int
    reads: dict[str, int]
    unheld: int
    asked: int
    ticks: int
    log_bytes: int
    feed_lag_ms: int
    interruptions: int
    losses: int


class LiveQueries(Part):
    """The whole answer.

    Attributes:
        position: Up to where changes have been taken in.
        totals: Of all live queries.
        queries: Those that cost most, first the one with the most reads.
        left_out: How many more there are.
    """

    position: str
    totals: LiveQueryTotals
    queries: list[LiveQueryRow]
    left_out: int
