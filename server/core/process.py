"""What operators know a server process by."""

import os
import socket

__all__ = ["process_name"]


def process_name() -> str:
    """This process among all that work on one database: ``host:pid``."""
    return f"{socket.gethostname()}:{os.getpid()}"
