"""The built-in application: tasks, users, messages and Claude's replies."""

from server.functions import messages, streaming, tasks, tool_call_tracking, transcripts, users

__all__ = ["ALL"]

ALL = [tasks, users, messages, streaming, tool_call_tracking, transcripts]
"""Its modules, for ``create_app(functions=[*server.functions.ALL, mine])``."""
