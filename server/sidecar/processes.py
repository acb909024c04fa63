"""Processes that a command left behind, found by a mark in their environment.

A process may leave its group and its session, and its parent may die; its environment stays.
Where there is no ``/proc``, none are found. Source: proc_pid_environ(5), pidfd_send_signal(2).
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

from server.sidecar import limits

__all__ = ["end_marked"]


def end_marked(mark: str) -> None:
    """Kill whatever has `mark`, a ``NAME=value``, in its environment, and what that began."""
    for _ in range(limits.KILL_ROUNDS_MAX):
        if not _kill_once(mark.encode()):
            return


def _kill_once(mark: bytes) -> bool:
    """Kill those that are there now; whether there were any."""
    found = False
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # of others, or gone
            fd = os.pidfd_open(int(folder.name))
            try:
                # The descriptor is the process's, so that a new one of this number is not meant.
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                    found = True
            finally:
                os.close(fd)
    return found
