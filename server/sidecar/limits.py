"""Every bound of the sidecar, with what happens when it is reached."""

from typing import Final

__all__: list[str] = []  # used as `limits.NAME`

PATH_BYTES_MAX: Final = 1_024
"""A longer path is refused."""
READ_BYTES_MAX: Final = 200_000
"""Of a file that one call reads; the rest is asked for by `offset`."""
WRITE_BYTES_MAX: Final = 900_000
"""Of a file that one call writes; a longer one is refused."""
LISTED_MAX: Final = 1_000
"""Entries that one call lists; how many there are beyond is not counted, but told."""

CALLS_AT_ONCE_MAX: Final = 4
"""Calls that run at once, unless the command says otherwise. Others wait, for any executor."""
COMMAND_SECONDS: Final = 60
"""A command that does not say how long it may take is killed after this."""
COMMAND_SECONDS_MAX: Final = 540
"""What it may say at most: less than the server waits for an executor."""
KILL_GRACE_SECONDS: Final = 2.0
"""Between asking a command to end and ending it."""
KILL_ROUNDS_MAX: Final = 20
"""How often processes that hide from a kill are looked for."""
OUTPUT_CHARACTERS_MAX: Final = 1_000_000
"""Of one command, shown in the terminal. Beyond it output is left out, with a mark."""
FLOOD_BYTES_MAX: Final = 64 << 20
"""Of one command. Beyond it the command is killed."""
TOLD_CHARACTERS_MAX: Final = 24_000
"""Of each stream of a command, told to Claude: its beginning and its end."""

FILES_MAX: Final = 20_000
"""Files that are watched; what a scan finds beyond is not, and the health says so."""
DEPTH_MAX: Final = 60
"""Directories within one another that are watched or listed."""
TEXT_BYTES_MAX: Final = 256 << 10
"""A file of more than this is no text: its lines are not counted."""
LINES_KEPT_MAX: Final = 2_000_000
"""Lines known of all files together, 8 bytes each; of files beyond, none are counted."""
EDITS_MAX: Final = 400
"""Lines in which two versions differ, counted exactly; beyond, what lies between the first and
the last difference counts as replaced."""
CHANGES_MAX: Final = 200
"""Changes of files told at once; the others are left out, and a notice says how many."""
SCAN_DEBOUNCE_MS: Final = 300
"""How long changes are gathered at most before a scan."""
SCAN_SHARE: Final = 4.0
"""After a scan, this many times what it took passes before the next, so that a large directory
that never rests takes a fifth of a processor."""
SETTLE_SECONDS: Final = 1.0
"""What happens before the platform watches is looked for after this."""
POLL_SECONDS: Final = 2.0
"""Between two scans where the platform will not watch."""
RESCAN_SECONDS: Final = 60.0
"""A directory that says nothing is scanned this often, in case the platform missed something."""

QUEUE_MAX: Final = 2_000
"""Reports that wait for the server, of each kind. Beyond it new ones are dropped, with a log."""
TERMINAL_CHARACTERS_MAX: Final = 4_000_000
"""Output that waits for the server. Beyond it what comes is left out, with a mark."""
APPEND_CHARACTERS_MAX: Final = 16_000
"""Of one append to the terminal."""
TERMINAL_INTERVAL_MS: Final = 50
"""Between two appends, in which output gathers."""
LOG_CHARACTERS_MAX: Final = 2_000
"""Of a call's input or output in its log."""

HEARTBEAT_SECONDS: Final = 10.0
"""Between two signs of life."""
CLAIM_SECONDS: Final = 60.0
"""How long a claim lasts, by the server's word."""
RENEW_SECONDS: Final = 15.0
"""Between two renewals of a claim."""
CLAIM_MARGIN_SECONDS: Final = 5.0
"""A command whose claim could not be renewed is killed this long before the claim ends."""
RETRY_SECONDS_MIN: Final = 0.25
RETRY_SECONDS_MAX: Final = 10.0
"""Between two attempts at reaching the server; the delay doubles from the one to the other."""
FAREWELL_SECONDS: Final = 5.0
"""How long last words may take after the sidecar was told to stop."""

assert RENEW_SECONDS * 2 + CLAIM_MARGIN_SECONDS < CLAIM_SECONDS
assert COMMAND_SECONDS <= COMMAND_SECONDS_MAX < 600
assert RETRY_SECONDS_MIN < RETRY_SECONDS_MAX < HEARTBEAT_SECONDS * 2
assert OUTPUT_CHARACTERS_MAX <= TERMINAL_CHARACTERS_MAX
