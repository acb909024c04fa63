"""Queries, mutations and actions: Python functions that clients may call by name."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import (
    Any,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
    cast,
    get_args,
    get_type_hints,
    overload,
)

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from schemas.names import stored_name
from server.core.errors import InvalidArguments
from server.runtime.caller import Caller

__all__ = ["Function", "Kind", "action", "mutation", "query"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

Kind = Literal["query", "mutation", "action", "tool"]

_PREFIX = "arg_"
"""Keeps an argument's name apart from the methods of the model that checks it."""


_NAME = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
"""What a message repeats of a place among the arguments. Anything else may be a value: a secret
that was written as a key, say."""


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", val_temporal_unit="milliseconds")


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
            name, default = parameter.name, parameter.default
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(
                    f"{self.__name__} cannot take {name!r} as it does: arguments come by name, "
                    "so write no *, ** or / for them."
                )
            annotation = hints.get(name, Any)
            if annotation is Caller:
                self.wants_caller, self._caller_name = True, name
                continue
            if _mentions_caller(annotation):
                raise TypeError(
                    f"{self.__name__} must declare `{name}: Caller`, nothing more or less; as it "
                    "is, a client could write down who it is."
                )
            if isinstance(default, FieldInfo):
                raise TypeError(
                    f"{self.__name__} must write `{name}: Annotated[…, Field(…)] = default`; a "
                    "Field as the default would be its value where the function calls another."
                )
            alias = stored_name(name) if name != "id" else name
            if default is inspect.Parameter.empty:
                fields[_PREFIX + name] = (annotation, Field(alias=alias))
            else:
                fields[_PREFIX + name] = (annotation, Field(default, alias=alias))
        room = self.__module__.rpartition(".")[2]
        model = stored_name(f"{room}_{self.__name__}_arguments")
        return create_model(model, __base__=_Arguments, **fields)

    @property
    def wire_names(self) -> dict[str, str]:
        """Python's names of the arguments, and those of the wire."""
        fields = self.arguments.model_fields.items()
        return {name.removeprefix(_PREFIX): str(info.alias) for name, info in fields}

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
                (_place(one["loc"]), _problem(one))
                for one in error.errors(include_input=False, include_url=False)
            ]
            raise _refusal(name, misfits) from None
        found: dict[str, Any] = {}
        for field, info in type(parsed).model_fields.items():
            value = found[field.removeprefix(_PREFIX)] = getattr(parsed, field)
            if (problem := _unstorable(value)) is not None:
                raise _refusal(name, [(str(info.alias), problem)])
        return found

    async def invoke(self, ctx: Any, arguments: Mapping[str, Any], caller: Caller) -> Any:
        """Call the function, be it async or not, with what `parse` gave."""
        extra = {self._caller_name: caller} if self.wants_caller else {}
        call = cast("Callable[..., Any]", self.body)
        value = call(ctx, **arguments, **extra)
        if inspect.iscoroutine(value):
            return await cast("Awaitable[Any]", value)
        return value


def _refusal(name: str, misfits: list[tuple[str, str]]) -> InvalidArguments:
    said = "; ".join(f"{argument}: {problem}" for argument, problem in misfits)
    return InvalidArguments(
        f"{name} cannot take these arguments. {said}.",
        details=[{"argument": argument, "problem": problem} for argument, problem in misfits],
    )


def _mentions_caller(annotation: Any) -> bool:
    return annotation is Caller or any(map(_mentions_caller, get_args(annotation)))


def _place(steps: tuple[int | str, ...]) -> str:
    """Where among the arguments, by names that cannot be values."""
    return ".".join(
        str(step) if isinstance(step, int) or _NAME.fullmatch(step) else "…" for step in steps
    )


def _problem(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "it is missing"
        case "extra_forbidden":
            return "the function has no such argument"
        case "union_tag_invalid":  # Pydantic's words repeat the value
            context = error.get("ctx", {})
            return f"its {context['discriminator']} must be one of {context['expected_tags']}"
        case _:
            message = error["msg"]
            return message[:1].lower() + message[1:]


def _unstorable(value: Any) -> str | None:
    """Why MongoDB could not take `value`, though it is of the right type."""
    match value:
        case int() if not -(2**63) <= value < 2**63:
            return "integers have 64 bits at most"
        case BaseModel():
            inner = list(value.__dict__.values())
        case Mapping():
            items = cast("Mapping[Any, Any]", value)
            if any("\0" in str(key) for key in items):
                return "names cannot hold a NUL character"
            inner = list(items.values())
        case list() | tuple() | set() | frozenset():
            inner = cast("list[Any]", value)
        case _:
            return None
    return next((found for one in inner if (found := _unstorable(one)) is not None), None)


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
