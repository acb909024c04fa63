"""Every limit of the server, with its policy, in one place.

Relations between limits are asserted at the end.
"""

from typing import Final

__all__: list[str] = []  # used as `limits.NAME`

# --- requests ---------------------------------------------------------------------------------
BODY_BYTES_MAX: Final = 1 << 20
"""A call's body. Larger: 413."""
QUERY_SET_MAX: Final = 1_000
"""Queries of one sync stream, which may be that of all tabs of a browser. More: 413."""
ORIGINS_TOLD_MAX: Final = 20
"""Refused origins that a process's log names, each once. The others are refused in silence."""
ARGS_DEPTH_MAX: Final = 64
"""Nesting of arguments. Deeper: 400."""
ACTION_SECONDS_MAX: Final = 3600.0
"""How long an action may work. Past it, it is cancelled."""
ACTIONS_MAX: Final = 1_000
"""Actions at work in one process. More: 429."""
IDEMPOTENCY_SECONDS: Final = 24 * 3600
"""How long a key's answer is kept."""
MUTATION_RECORD_SECONDS: Final = 60
"""How long the trace of a mutation without a key is kept: it need only pass through the feed."""
TRANSACTION_SECONDS_MAX: Final = 30.0
"""A transaction with its retries. Past it: 503."""

# --- feed -------------------------------------------------------------------------------------
FEED_AWAIT_MS: Final = 150
"""How long MongoDB waits for a change before it says that there is none."""
FEED_RETRY_SECONDS_MIN: Final = 0.1
FEED_RETRY_SECONDS_MAX: Final = 5.0
"""Pause between attempts to reopen the change stream, doubling between the two."""
FEED_OPEN_SECONDS_MAX: Final = 30.0
"""How long a server that starts asks again for its change stream. Past it, it does not start."""
FEED_PATIENCE_SECONDS_MIN: Final = 2.0
FEED_PATIENCE_SECONDS_MAX: Final = 120.0
"""How long MongoDB may say nothing to the feed, which asks about seven times a second. Past it, the
change stream is reopened, on whoever is the primary by then, with twice the patience."""
FEED_SILENCE_SECONDS_MAX: Final = 3.0
"""A feed that has not heard from MongoDB for so long is not healthy, whatever it is doing."""
FEED_REFUSALS_MAX: Final = 5
"""Errors of MongoDB's own, one after another. At the last, history counts as lost."""
FEED_CLOSE_SECONDS_MAX: Final = 1.0
"""How long giving back a cursor may take. Past it, MongoDB lets go of it by itself."""
FEED_BATCH_EVENTS_MAX: Final = 1_024
"""Events asked for at a time. While they are taken in MongoDB gets the next ready, so that a burst
costs the longer of the two and not both."""
FEED_AHEAD_TURNS: Final = 8
"""Of the event loop, given to the request for the next batch before a full one is taken in, which
hardly lets go of the loop."""
FEED_BATCH_BYTES_SPLIT: Final = 8 << 20
"""A batch past this may have cut a transaction in two, and one with as many events as it may have
whatever has one cluster time: its last group waits for more."""
STEP_EVENTS_MAX: Final = 1_024
"""Events taken in at one go, before others get a turn: as many as a batch, so that a reader gets
one step of it and nothing is merged for them. A transaction is never divided."""
RING_EVENTS_MAX: Final = 50_000
"""Events kept for queries that are reading. Past it, the oldest go, and those read again."""

# --- live queries -----------------------------------------------------------------------------
LIVE_QUERIES_MAX: Final = 20_000
"""Live queries in one process. More: 429."""
SUBSCRIBE_AGAIN_SECONDS: Final = 5.0
"""Until a stream's query that found no room among them is tried again."""
LINGER_SECONDS: Final = 10.0
"""How long a live query outlives its last subscriber, so that a reload is cheap."""
RUNS_AT_ONCE_MAX: Final = 32
"""Queries being run at once in one process. More wait their turn."""
RUN_SECONDS_MAX: Final = 10.0
"""A run of one query. Past it: `query_timeout`."""
RUN_ATTEMPTS_MAX: Final = 5
"""Attempts at one run whose snapshot slipped away under it. Past it: 503."""
RUN_RETRY_SECONDS: Final = 1.0
"""Pause before a query that could not be run is tried again."""
ROUND_SECONDS: Final = 0.25
"""A round waits this long for its slowest run before the next round may begin."""
LOG_BYTES_MAX: Final = 256 << 10
"""A live query's log of patches. Past it, or past its snapshot's size, the oldest go."""
LOG_BYTES_MIN: Final = 2 << 10
"""A log this small is kept even where the snapshot is smaller."""
RESULT_DOCUMENTS_MAX: Final = 10_000
"""Documents of one find. More: the query's error is 413."""
LOG_ENTRIES_MAX: Final = 4_096
"""A live query's log of patches, counted."""
DIAGNOSIS_ROWS_MAX: Final = 1_000
"""Live queries that an operator is told of at once, those that cost most; the rest are counted."""
DIAGNOSIS_BYTES_MAX: Final = 4 << 20
"""Results measured for one look at them. Past it, their size is what it was when last told."""
TICK_SECONDS_MIN: Final = 0.1
TICK_SECONDS_MAX: Final = 1.0
"""Between two looks at what leaves a sliding window of time next. Nothing is read for it."""
COUNT_IDS_MAX: Final = 1_000
"""Documents counted by their ids, so that it is known whose change matters. More are only counted,
and then any document that goes could be one of them."""
WINDOW_BUFFER: Final = 20
"""Documents held beyond a limit, so that a removal seldom asks the database."""
REGEX_BYTES_MAX: Final = 1 << 20
"""What one compiled regular expression may take. More: MongoDB is asked in its stead."""

# --- sync streams -----------------------------------------------------------------------------
GRACE_SECONDS: Final = 0.020
"""How long a query that is being run again holds its stream; one whose last run took longer than
this does not hold it at all."""
FIRST_GRACE_SECONDS: Final = 0.250
"""The same for the first transition of a stream, whose queries may have to be read."""
STRICT_SECONDS_MAX: Final = 15.0
"""How long a query that is being run again holds a strict stream; it runs for less, but may be
touched again before it is done."""
HEARTBEAT_SECONDS: Final = 15.0
"""A stream that has said nothing this long tells its position."""
STREAMS_MAX: Final = 10_000
"""Sync streams of one process. More: 503."""
STREAM_STALL_SECONDS: Final = 30.0
"""A reader that takes nothing for this long is dropped with its connection."""
AHEAD_SECONDS_MAX: Final = 5.0
"""How long a stream waits for the feed to reach the position it starts from."""

# --- what runs by itself ----------------------------------------------------------------------
RUN_LEASE_SECONDS: Final = 10.0
"""How long a run belongs to its process without a word of it. Then another takes it."""
EVERY_LOOK_SECONDS: Final = 30.0
"""Between two looks at a schedule that is due later, in case it was moved."""
SCHEDULED_LOOK_SECONDS: Final = 1.0
"""Between two looks at scheduled calls, where none is known to be due sooner."""
SCHEDULED_RUNS_MAX: Final = 32
"""Scheduled calls being run at once in one process. More wait, or other processes take them."""
SCHEDULED_CALLS_MAX: Final = 100_000
"""Scheduled calls of one database, about. More: 429."""
SCHEDULED_DELAY_SECONDS_MAX: Final = 366 * 24 * 3600.0
"""How far ahead a call may be scheduled. Further: 422."""
SCHEDULED_BYTES_MAX: Final = 64 << 10
"""Arguments of one scheduled call, and who it is for. Larger: 413."""
SCHEDULED_ATTEMPTS_MAX: Final = 5
"""At one call. Past it, it has failed."""
SCHEDULED_RETRY_SECONDS: Final = 2.0
"""Before the second attempt; four times as long before each that follows."""
SCHEDULED_MUTATION_SECONDS_MAX: Final = 35.0
"""How long a mutation that was scheduled belongs to its process: longer than a transaction lasts,
for it is not renewed. A renewal would be a conflict with the transaction's own last write."""
SCHEDULED_PATIENCE_SECONDS: Final = 24 * 3600.0
"""How long a call waits for a build that has its function. Past it, it has failed."""
SCHEDULED_UNKNOWN_LOOK_SECONDS: Final = 60.0
"""Between two looks for calls whose function this build does not have."""
SCHEDULED_FAILED_SECONDS: Final = 7 * 24 * 3600
"""How long a failed call is kept to be looked at."""
SCHEDULED_FAILED_MAX: Final = 1_000
"""How many are kept. Past it, the oldest go."""
SCHEDULED_ROWS_MAX: Final = 1_000
"""Scheduled calls that an operator is told of at once; the rest are counted."""

# --- shutting down ----------------------------------------------------------------------------
SHUTDOWN_SECONDS: Final = 5.0
"""How long actions have to write their last words."""

assert LOG_BYTES_MIN <= LOG_BYTES_MAX
assert FEED_RETRY_SECONDS_MIN <= FEED_RETRY_SECONDS_MAX
assert FEED_AWAIT_MS / 1000 < FEED_PATIENCE_SECONDS_MIN <= FEED_PATIENCE_SECONDS_MAX
assert FEED_AWAIT_MS / 1000 < FEED_SILENCE_SECONDS_MAX
assert FEED_AWAIT_MS < HEARTBEAT_SECONDS * 1000
assert GRACE_SECONDS < FIRST_GRACE_SECONDS < RUN_SECONDS_MAX
assert GRACE_SECONDS < ROUND_SECONDS < RUN_SECONDS_MAX < HEARTBEAT_SECONDS < STREAM_STALL_SECONDS
assert RUN_SECONDS_MAX < STRICT_SECONDS_MAX
assert AHEAD_SECONDS_MAX < HEARTBEAT_SECONDS
assert TICK_SECONDS_MIN <= TICK_SECONDS_MAX
assert SCHEDULED_LOOK_SECONDS < RUN_LEASE_SECONDS
assert TRANSACTION_SECONDS_MAX < SCHEDULED_MUTATION_SECONDS_MAX
assert SCHEDULED_BYTES_MAX < BODY_BYTES_MAX
assert SCHEDULED_FAILED_MAX < SCHEDULED_CALLS_MAX
assert COUNT_IDS_MAX < RESULT_DOCUMENTS_MAX
assert WINDOW_BUFFER < RESULT_DOCUMENTS_MAX
