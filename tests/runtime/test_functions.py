"""Decorated functions: what they are called, what they take, and what a client cannot say."""

import enum
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from server.core.errors import InvalidArguments
from server.runtime import (
    ANONYMOUS,
    Caller,
    Function,
    MutationCtx,
    QueryCtx,
    ToolCtx,
    mutation,
    query,
    tool,
)

ADA = Caller("ada", {"role": "admin"})


class Place(BaseModel):
    x: int
    y: int = 0


class Colour(enum.Enum):
    RED = "red"


def wire_names(function: Function[..., Any]) -> set[str]:
    return {str(info.alias) for info in function.arguments.model_fields.values()}


async def call(
    function: Function[..., Any], caller: Caller = ANONYMOUS, /, **arguments: Any
) -> Any:
    return await function.invoke(None, function.parse(arguments, "test.function"), caller)


# --- names ----------------------------------------------------------------------------------------


def test_arguments_are_camel_case_on_the_wire() -> None:
    @query
    def by_task(
        ctx: QueryCtx,
        task_id: str,
        since_last_visit: int = 0,
        id: str = "",  # noqa: A002
    ) -> None: ...

    assert wire_names(by_task) == {"taskId", "sinceLastVisit", "id"}


def test_a_decorated_function_is_still_the_function() -> None:
    @query
    def double(ctx: QueryCtx, number: int) -> int:
        """Twice."""
        return number * 2

    assert double(None, 4) == double(None, number=4) == 8  # type: ignore[arg-type]
    assert (double.__name__, double.__doc__, double.kind) == ("double", "Twice.", "query")


def test_a_decorator_may_be_called_with_options() -> None:
    @mutation(internal=True, transaction=False)
    async def sweep(ctx: MutationCtx) -> None: ...

    @mutation
    async def plain(ctx: MutationCtx) -> None: ...

    assert (sweep.internal, sweep.transaction) == (True, False)
    assert (plain.internal, plain.transaction) == (False, True)


# --- calls ----------------------------------------------------------------------------------------


async def test_arguments_come_typed_and_defaults_fill_in() -> None:
    @query
    def show(
        ctx: QueryCtx,
        at: datetime,
        place: Place,
        colour: Colour = Colour.RED,
        kind: Literal["a", "b"] = "a",
        tags: list[str] = [],  # noqa: B006  # Pydantic copies it
        *,
        limit: Annotated[int, Field(ge=1)] = 5,
    ) -> Any:
        tags.append(kind)
        return at, place, colour, tags, limit

    expected = (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), Place(x=1), Colour.RED, ["a"], 5)
    assert await call(show, at=1000, place={"x": 1}) == expected
    assert await call(show, at=1000, place={"x": 1}) == expected


async def test_dates_are_milliseconds_however_long_ago() -> None:
    @query
    def show(ctx: QueryCtx, at: datetime) -> Any:
        return at

    for milliseconds in (0, 1, 999, 86_400_000, 1_763_808_000_123, -1000):
        at = await call(show, at=milliseconds)
        assert at.timestamp() * 1000 == pytest.approx(milliseconds)
        assert at.tzinfo is not None


async def test_sync_and_async_functions_are_called_alike() -> None:
    @query
    def plain(ctx: QueryCtx, number: int) -> int:
        return number

    @query
    async def awaited(ctx: QueryCtx, number: int) -> int:
        return number

    @query
    def passed_on(ctx: QueryCtx, number: int) -> Any:
        return awaited(ctx, number)

    for function in (plain, awaited, passed_on):
        assert await call(function, number=5) == 5


async def test_a_name_of_pydantics_own_is_a_name_like_another() -> None:
    @query
    def show(ctx: QueryCtx, copy: int, json: int, model_config: int, schema: int) -> Any:
        return copy, json, model_config, schema

    assert await call(show, copy=1, json=2, modelConfig=3, schema=4) == (1, 2, 3, 4)


async def test_one_call_cannot_change_the_arguments_of_another() -> None:
    @query
    def show(ctx: QueryCtx, tags: list[str]) -> Any:
        tags.append("more")
        return tags

    sent = {"tags": ["one"]}
    assert show.parse(sent, "n") == show.parse(sent, "n")
    await call(show, **sent)
    assert sent == {"tags": ["one"]}


# --- callers --------------------------------------------------------------------------------------


async def test_a_caller_is_handed_in_and_is_no_argument() -> None:
    @query
    def whoami(ctx: QueryCtx, caller: Caller, suffix: str = "!") -> str:
        return caller.id + suffix

    assert whoami.wants_caller
    assert wire_names(whoami) == {"suffix"}
    assert await call(whoami, ADA, suffix="?") == "ada?"
    with pytest.raises(InvalidArguments):
        await call(whoami, ADA, caller={"id": "root"})


async def test_the_callers_name_is_up_to_the_function() -> None:
    @query
    def whoami(ctx: QueryCtx, me: Caller = ANONYMOUS) -> str:
        return me.id

    assert await call(whoami, ADA) == "ada"
    assert whoami(None) == "anonymous"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "annotation", [Caller | None, Annotated[Caller, "me"], list[Caller], dict[str, Caller]]
)
def test_a_client_can_never_write_down_who_it_is(annotation: Any) -> None:
    def whoami(ctx: QueryCtx, caller: annotation = None) -> None: ...

    with pytest.raises(TypeError, match="caller: Caller"):
        query(whoami)


def test_callers_are_the_same_when_id_and_claims_are() -> None:
    assert Caller("a", {"x": 1, "y": 2}).key == Caller("a", {"y": 2, "x": 1}).key
    keys = {Caller("a").key, Caller("b").key, Caller("a", {"x": 1}).key, Caller('a",{').key}
    assert len(keys) == 4


# --- what is refused where it is written ----------------------------------------------------------


def test_arguments_have_names() -> None:
    def stars(ctx: QueryCtx, *args: int) -> None: ...
    def more_stars(ctx: QueryCtx, **kwargs: int) -> None: ...
    def slash(ctx: QueryCtx, number: int, /) -> None: ...
    def nothing() -> None: ...

    for body in (stars, more_stars, slash, nothing):
        with pytest.raises(TypeError, match=body.__name__):
            query(body)


def test_a_field_as_a_default_is_refused_with_the_cure() -> None:
    def page(ctx: QueryCtx, limit: int = Field(5, ge=1)) -> None: ...

    with pytest.raises(TypeError, match="Annotated"):
        query(page)


# --- refusals -------------------------------------------------------------------------------------


def refusal(function: Function[..., Any], **arguments: Any) -> dict[str, str]:
    with pytest.raises(InvalidArguments) as caught:
        function.parse(arguments, "test.function")
    assert caught.value.message.startswith("test.function cannot take these arguments. ")
    assert caught.value.__cause__ is None
    return {one["argument"]: one["problem"] for one in caught.value.details}


class Dog(BaseModel):
    kind: Literal["dog"]


class Cat(BaseModel):
    kind: Literal["cat"]


def test_every_misfit_is_named_and_no_value_is_repeated() -> None:
    @query
    def f(
        ctx: QueryCtx,
        task_id: str,
        place: Place | None = None,
        places: list[Place] = [],  # noqa: B006  # Pydantic copies it
        keys: dict[str, SecretStr] | None = None,
        pet: Annotated[Dog | Cat, Field(discriminator="kind")] | None = None,
        mode: Literal["fast", "slow"] = "fast",
    ) -> None: ...

    hush = "sk-ant-hush"
    found = refusal(
        f,
        taskId=5,
        place={"x": hush},
        places=[{"x": 1}, {"y": 1}],
        keys={hush: 5},
        pet={"kind": hush},
        mode=hush,
        **{hush: hush},
    )
    assert found == {
        "taskId": "input should be a valid string",
        "place.x": "input should be a valid integer, unable to parse string as an integer",
        "places.1.x": "it is missing",
        "keys.…": "input should be a valid string",
        "pet": "its 'kind' must be one of 'dog', 'cat'",
        "mode": "input should be 'fast' or 'slow'",
        "…": "the function has no such argument",
    }


@pytest.mark.parametrize(
    "value",
    [2**63, -(2**63) - 1, [[2**63]], {"a": {"b": 2**64}}, {"a\0": 1}, [{"\0": None}]],
)
def test_what_mongodb_could_not_take_is_an_invalid_argument(value: Any) -> None:
    @query
    def f(ctx: QueryCtx, value: Any) -> None: ...

    assert refusal(f, value=value).keys() == {"value"}


def test_what_mongodb_could_not_take_is_found_inside_of_models() -> None:
    @query
    def f(ctx: QueryCtx, place: Place) -> None: ...

    assert refusal(f, place={"x": 2**63}).keys() == {"place"}
    assert f.parse({"place": {"x": 2**63 - 1}}, "n")


def test_a_tool_that_claude_would_not_take_is_refused_where_it_is_defined() -> None:
    async def größe(ctx: ToolCtx) -> None: ...
    async def search(ctx: ToolCtx, größe: int) -> None: ...

    with pytest.raises(TypeError, match="größe cannot be a tool of Claude's: name it with"):
        tool(größe)
    with pytest.raises(TypeError, match=r"search cannot be a tool of Claude's: .*'größe'"):
        tool(search)
