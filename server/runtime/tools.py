"""Tools that Claude may call and this server runs."""

from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, overload

from server.llm import TOOL_NAME, unfit_schema
from server.runtime.functions import Function

__all__ = ["Tool", "tool"]

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT_SECONDS = 60.0


class Tool(Function[P, R]):
    """A function that Claude may call. Calling it in Python calls the function itself.

    Attributes:
        timeout: How long a call may take, in seconds.
        idempotent: Whether a call may be made again when it is not known whether it was.
        approval: Whether somebody must allow each call.

    Raises:
        TypeError: Claude would not take it, by its name or by its parameters.
    """

    def __init__(
        self, body: Callable[P, R], *, timeout: float, idempotent: bool, approval: bool
    ) -> None:
        super().__init__("tool", body, internal=True)
        self.timeout = timeout
        self.idempotent = idempotent
        self.approval = approval
        if not TOOL_NAME.fullmatch(self.__name__):
            raise TypeError(
                f"{self.__name__} cannot be a tool of Claude's: name it with letters, digits and _ "
                "of ASCII alone, 128 at most."
            )
        if (problem := unfit_schema(self.parameters)) is not None:
            raise TypeError(f"{self.__name__} cannot be a tool of Claude's: {problem}.")

    @property
    def description(self) -> str:
        """What Claude is told of it: the docstring."""
        return " ".join((self.__doc__ or "").split())

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON Schema of its arguments."""
        schema = self.arguments.model_json_schema(by_alias=True)
        schema.pop("title", None)
        for one in schema.get("properties", {}).values():
            one.pop("title", None)
        return {"type": "object", "properties": {}, **schema}


@overload
def tool(body: Callable[P, Awaitable[R]], /) -> Tool[P, Awaitable[R]]: ...
@overload
def tool(
    *, timeout: float = TIMEOUT_SECONDS, idempotent: bool = False, approval: bool = False
) -> Callable[[Callable[P, Awaitable[R]]], Tool[P, Awaitable[R]]]: ...
def tool(
    body: Any = None,
    /,
    *,
    timeout: float = TIMEOUT_SECONDS,
    idempotent: bool = False,
    approval: bool = False,
) -> Any:
    """Make a function a tool, which Claude calls by its Python name and the server runs.

    Its docstring is what Claude is told, its parameters are what Claude must give, in camelCase.
    What it returns goes back to Claude, a str as it is and anything else as JSON; what it raises
    is a failed call.

    Args:
        body: ``async def f(ctx: ToolCtx, …)``.
        timeout: How long a call may take, in seconds; past it, it is cancelled and has failed.
        idempotent: Whether a call that a dead process left behind may be made again. Others then
            have failed.
        approval: Whether a call waits until somebody has allowed it.
    """

    def decorate(body: Callable[..., Any]) -> Tool[..., Any]:
        return Tool(body, timeout=timeout, idempotent=idempotent, approval=approval)

    return decorate if body is None else decorate(body)
