"""The built-in application: tasks, users, messages, Claude's replies, and workspaces."""

from server.functions import (
    file_changes,
    messages,
    sample_tools,
    streaming,
    tasks,
    terminal_output,
    tool_call_tracking,
    tool_logs,
    transcripts,
    users,
)

__all__ = ["ALL", "WITH_SAMPLES"]

ALL = [
    tasks,
    users,
    messages,
    streaming,
    tool_call_tracking,
    transcripts,
    file_changes,
    tool_logs,
    terminal_output,
]
"""Its modules, for ``create_app(functions=[*server.functions.ALL, mine])``."""

WITH_SAMPLES = [*ALL, sample_tools]
"""And tools to try it with: what is served where no functions are given."""
