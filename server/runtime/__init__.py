"""Functions that clients call: how they are written, found and run."""

from server.core.errors import (
    Conflict,
    Forbidden,
    HeadwaterError,
    InvalidArguments,
    NotFound,
    TooMany,
)
from server.core.tasks import end_tasks, raise_if_cancelled
from server.live.find import Find, Get, Page, PageOf
from server.runtime.action_context import ActionCtx, ToolCtx
from server.runtime.actions import Actions
from server.runtime.answer import Answer
from server.runtime.caller import ANONYMOUS, Caller
from server.runtime.catalog import Catalog
from server.runtime.every import every
from server.runtime.functions import Function, action, mutation, query
from server.runtime.query_context import QueryCtx
from server.runtime.runtime import Runtime
from server.runtime.shared_key import SharedKey
from server.runtime.tools import Tool, tool
from server.runtime.ungiven import UNGIVEN
from server.runtime.write_context import MutationCtx
from server.store.clock import NOW

__all__ = [
    "ANONYMOUS",
    "NOW",
    "UNGIVEN",
    "ActionCtx",
    "Actions",
    "Answer",
    "Caller",
    "Catalog",
    "Conflict",
    "Find",
    "Forbidden",
    "Function",
    "Get",
    "HeadwaterError",
    "InvalidArguments",
    "MutationCtx",
    "NotFound",
    "Page",
    "PageOf",
    "QueryCtx",
    "Runtime",
    "SharedKey",
    "TooMany",
    "Tool",
    "ToolCtx",
    "action",
    "end_tasks",
    "every",
    "mutation",
    "query",
    "raise_if_cancelled",
    "tool",
]
