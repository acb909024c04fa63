"""The built-in application: tasks, users, presence, messages and Claude's replies."""

from server.functions import (
    messages,
    presence,
    sample_tools,
    streaming,
    tasks,
    tool_call_tracking,
    transcripts,
    users,
)

__all__ = ["ALL", "WITH_SAMPLES"]

ALL = [tasks, users, presence, messages, streaming, tool_call_tracking, transcripts]
"""Its modules, for ``create_app(functions=[*server.functions.ALL, mine])``."""

WITH_SAMPLES = [*ALL, sample_tools]
"""And tools to try it with: what is served where no functions are given."""
