"""The built-in application: tasks, users, messages and Claude's replies."""

from server.functions import messages, streaming, tasks, users

__all__ = ["ALL"]

ALL = [tasks, users, messages, streaming]
"""Its modules, for ``create_app(functions=[*server.functions.ALL, mine])``."""
