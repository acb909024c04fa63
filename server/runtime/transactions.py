"""Runs mutations: what a function reads and writes, as one transaction."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from pymongo.errors import PyMongoError

from schemas.wire.position import Time
from server.core import limits
from server.core.errors import Unavailable
from server.live.find import Find, Get, Page, model_of, read_page
from server.runtime.caller import Caller
from server.runtime.functions import Function
from server.runtime.scheduler import Scheduling
from server.runtime.shared_session import SharedSession
from server.runtime.write_context import Alone, MutationCtx
from server.store.writes import Session, Writes

__all__ = ["read", "transaction", "write", "write_alone"]

T = TypeVar("T")


async def transaction(
    writes: Writes, name: str, body: Callable[[Session], Awaitable[T]]
) -> tuple[T, Time]:
    """Run `body` as one transaction; gives its value and the cluster time of the commit.

    Raises:
        Unavailable: It did not commit within `TRANSACTION_SECONDS_MAX`.
        pymongo.errors.PyMongoError: Anything else that MongoDB said.
    """
    try:
        return await writes.transaction(body)
    except PyMongoError as error:
        if not error.timeout:
            raise
        raise Unavailable(
            f"{name} took longer than {limits.TRANSACTION_SECONDS_MAX:g} s; try again."
        ) from error


async def write(
    function: Function[..., Any],
    name: str,
    session: Session,
    parsed: Mapping[str, Any],
    caller: Caller,
    scheduling: Scheduling,
) -> Any:
    """What a mutation gave, all of whose reads and writes are the transaction of `session`."""
    shared = SharedSession(name, session, transaction=True)
    ctx = MutationCtx(shared.open, scheduling, caller)
    value = await read(await function.invoke(ctx, parsed, caller))
    if shared.failure is not None:  # the function caught it, but its transaction is over
        raise shared.failure
    return value


async def write_alone(
    function: Function[..., Any],
    name: str,
    session: Session,
    parsed: Mapping[str, Any],
    caller: Caller,
    scheduling: Scheduling,
    alone: Alone,
) -> tuple[Any, Time]:
    """What a mutation gave whose writes each stand by themselves, and the time of the last."""
    shared = SharedSession(name, session, transaction=False)
    ctx = MutationCtx(shared.open, scheduling, caller, alone)
    value = await read(await function.invoke(ctx, parsed, caller))
    return value, max(ctx.time, session.time)


async def read(value: Any) -> Any:
    """What a function returned; a find is read where there is nobody to maintain it for."""
    if isinstance(value, Page):
        page = cast("Page[Any]", value)
        documents, end = await read_page(page.spec, page.read)
        models: list[Any] = [model_of(page.spec, document) for document in documents]
        show = page.spec.view
        return {"page": models if show is None else [show(one) for one in models], **end}
    if not isinstance(value, Find | Get):
        return value
    found = await cast("Find[Any] | Get[Any]", value)
    view = cast("Find[Any]", value).spec.view
    return [view(one) for one in found] if view is not None and found is not None else found
