"""Functions that clients call: how they are written, found and run."""

from server.core.errors import Conflict, Forbidden, HeadwaterError, NotFound
from server.live.find import Find, Get, Page, PageOf
from server.runtime.action_context import ActionCtx
from server.runtime.caller import ANONYMOUS, Caller
from server.runtime.catalog import Catalog
from server.runtime.functions import Function, action, mutation, query
from server.runtime.query_context import QueryCtx
from server.runtime.runtime import Answer, Runtime, SharedKey
from server.runtime.write_context import MutationCtx

__all__ = [
    "ANONYMOUS",
    "ActionCtx",
    "Answer",
    "Caller",
    "Catalog",
    "Conflict",
    "Find",
    "Forbidden",
    "Function",
    "Get",
    "HeadwaterError",
    "MutationCtx",
    "NotFound",
    "Page",
    "PageOf",
    "QueryCtx",
    "Runtime",
    "SharedKey",
    "action",
    "mutation",
    "query",
]
