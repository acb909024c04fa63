"""Queries, mutations and actions: Python functions that clients may call by name."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from schemas.names import stored_name
from server.core.errors import InvalidArguments
from server.runtime.caller import Caller

__all__ = ["Function", "Kind", "action", "mutation", "query"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

Kind = Literal["query", "mutation", "action"]

_PREFIX = "arg_"
"""Keeps an argument's name apart from the methods of the model that checks it."""


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)


class Function(Generic[P, R]):
    """A function that clients may call. Calling it in Python calls the function itself.

    Attributes:
        kind: What it is.
        internal: Whether the network cannot see it.
        transaction: Whether a mutation is one transaction.
        arguments: The model of its arguments, under their wire names.
        returns: Its return annotation; None where there is none.
        wants_caller: Whether it declares a parameter of type `Caller`.
    """

    def __init__(
        self, kind: Kind, body: Callable[P, R], *, internal: bool, transaction: bool = True
    ) -> None:
        self.kind: Kind = kind
        self.body = body
        self.internal = internal
        self.transaction = transaction
        self.__name__ = body.__name__
        self.__module__ = body.__module__
        self.__doc__ = body.__doc__
        self.returns: Any = None
        self.wants_caller = False
        self._caller_name = ""
        self.arguments = self._inspect()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the Python function."""
        return self.body(*args, **kwargs)

    def _inspect(self) -> type[BaseModel]:
        hints = get_type_hints(self.body, include_extras=True)
        self.returns = hints.pop("return", None)
        parameters = list(inspect.signature(self.body).parameters.values())
        if not parameters:
            raise TypeError(f"{self.__name__} must take a context as its first parameter.")
        fields: dict[str, Any] = {}
        for parameter in parameters[1:]:
            name = parameter.name
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(f"{self.__name__} cannot take *{name}; name every argument.")
            annotation = hints.get(name, Any)
            if annotation is Caller:
                self.wants_caller, self._caller_name = True, name
                continue
            alias = stored_name(name) if name != "id" else name
            if parameter.default is inspect.Parameter.empty:
                fields[_PREFIX + name] = (annotation, Field(alias=alias))
            else:
                fields[_PREFIX + name] = (annotation, Field(parameter.default, alias=alias))
        return create_model(f"{self.__name__}_arguments", __base__=_Arguments, **fields)

    def parse(self, arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
        """The Python arguments of a call.

        Args:
            arguments: By wire name.
            name: The function's wire name, for messages.

        Raises:
            InvalidArguments: They do not fit; nothing of their values is repeated.
        """
        try:
            parsed = self.arguments.model_validate(arguments)
        except ValidationError as error:
            misfits = [
                {
                    "argument": ".".join(map(str, one["loc"])),
                    "problem": _problem(one["type"], one["msg"]),
                }
                for one in error.errors(
                    include_input=False, include_url=False, include_context=False
                )
            ]
            said = "; ".join(f"{one['argument']}: {one['problem']}" for one in misfits)
            raise InvalidArguments(
                f"{name} cannot take these arguments. {said}", details=misfits
            ) from None
        return {
            field.removeprefix(_PREFIX): getattr(parsed, field)
            for field in type(parsed).model_fields
        }

    async def invoke(self, ctx: Any, arguments: Mapping[str, Any], caller: Caller) -> Any:
        """Call the function, be it async or not, with what `parse` gave."""
        extra = {self._caller_name: caller} if self.wants_caller else {}
        call = cast("Callable[..., Any]", self.body)
        value = call(ctx, **arguments, **extra)
        if inspect.iscoroutine(value):
            return await cast("Awaitable[Any]", value)
        return value


def _problem(kind: str, message: str) -> str:
    match kind:
        case "missing":
            return "it is missing"
        case "extra_forbidden":
            return "the function has no such argument"
        case _:
            return message[:1].lower() + message[1:]


@overload
def query(body: Callable[P, R], /) -> Function[P, R]: ...
@overload
def query(*, internal: bool = False) -> Callable[[Callable[P, R]], Function[P, R]]: ...
def query(body: Any = None, /, *, internal: bool = False) -> Any:
    """Make a function a query: it reads, and what it returns is kept current for subscribers.

    A find that it returns is maintained from change events; what it awaits is watched, and the
    function is run again when that changes. It may be run at any time and more than once, so it
    must do nothing but read.

    Args:
        body: ``def f(ctx: QueryCtx, …)``, async where it awaits.
        internal: Hide it from the network.
    """
    return _decorated("query", body, internal=internal)


@overload
def mutation(body: Callable[P, R], /) -> Function[P, R]: ...
@overload
def mutation(
    *, internal: bool = False, transaction: bool = True
) -> Callable[[Callable[P, R]], Function[P, R]]: ...
def mutation(body: Any = None, /, *, internal: bool = False, transaction: bool = True) -> Any:
    """Make a function a mutation: it writes, all of it or nothing.

    It is one MongoDB transaction and is run again when MongoDB asks for that, so apart from what
    it does through `ctx` it must do nothing that may not happen twice.

    Args:
        body: ``async def f(ctx: MutationCtx, …)``.
        internal: Hide it from the network.
        transaction: False for a mutation that makes one atomic write, at half the price.
    """
    return _decorated("mutation", body, internal=internal, transaction=transaction)


@overload
def action(body: Callable[P, R], /) -> Function[P, R]: ...
@overload
def action(*, internal: bool = False) -> Callable[[Callable[P, R]], Function[P, R]]: ...
def action(body: Any = None, /, *, internal: bool = False) -> Any:
    """Make a function an action: it may call the world, and take its time.

    It holds no transaction: each write stands by itself. `ctx.respond` answers the caller while
    the action works on.

    Args:
        body: ``async def f(ctx: ActionCtx, …)``.
        internal: Hide it from the network.
    """
    return _decorated("action", body, internal=internal)


def _decorated(kind: Kind, body: Callable[..., Any] | None, **options: Any) -> Any:
    def decorate(body: Callable[..., Any]) -> Function[..., Any]:
        return Function(kind, body, **options)

    return decorate if body is None else decorate(body)
