"""Every bound of the client, with what happens when it is reached.

The server speaks at least every 15 s; a stream that is silent for longer than two of those and
some network is taken for dead.
"""

from typing import Final

__all__: list[str] = []  # used as `limits.NAME`

SILENCE_SECONDS_MAX: Final = 40.0
"""No message for this long: the stream is closed and opened again."""
CONNECT_SECONDS_MAX: Final = 10.0
"""A connection that is not open after this counts as a failure."""
RETRY_MS_MIN: Final = 500
"""The first delay after a failure; each further one doubles it."""
RETRY_MS_MAX: Final = 30_000
"""No delay grows beyond this, whatever the number of failures."""
RETRY_AFTER_MS_MAX: Final = 60_000
"""What a server may ask to wait. A call that is to wait longer fails; a stream tries again then."""
STEADY_SECONDS: Final = 3.0
"""A stream that lived this long clears the count of failures before it."""
CALL_ATTEMPTS_MAX: Final = 5
"""How often a call is sent at most, the first time included."""
CALL_SECONDS_MAX: Final = 30.0
"""An attempt at a call that does not wait for an action's end is given up after this."""
WAIT_SECONDS_MAX: Final = 3_660.0
"""The same for one that does: longer than an action may work."""
ANSWER_BYTES_MAX: Final = 64 << 20
"""An answer to a call. Past it the call fails."""
PENDING_OPERATIONS_MAX: Final = 1_000
"""Operations kept for a reader of changes who is slow. Past it the reader is given the value as a
snapshot, and they are let go."""
PENDING_BYTES_MAX: Final = 4 << 20
"""The same, by the size of the messages that they came in."""
POSITION_LENGTH_MAX: Final = 64
"""A longer position is none: it would come back with each reconnect."""
SHARED_DEPTH_MAX: Final = 100
"""A snapshot shares with the value before it what is equal, down to here."""
CONNECTIONS_KEPT_MAX: Final = 10
"""Idle connections that are kept for the next call."""

assert SILENCE_SECONDS_MAX > 2 * 15.0
assert RETRY_MS_MIN <= RETRY_MS_MAX <= RETRY_AFTER_MS_MAX
assert CONNECT_SECONDS_MAX <= CALL_SECONDS_MAX <= WAIT_SECONDS_MAX
