"""What is internal never leaves, in whatever a query wraps it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    computed_field,
    create_model,
    field_serializer,
)

from schemas.document import Document, Internal, Part
from schemas.shape import shape_of
from schemas.streamed_text import StreamedText
from server.live.find import PageOf
from server.live.held import encode
from server.live.projection import to_json

SECRET = "hush"


class Author(Part):
    name: str
    key: Annotated[str, Internal()] = SECRET


class Letter(Document, collection="letters"):
    subject: str
    body: StreamedText = ""
    author: Author | None = None
    key: Annotated[str, Internal()] = SECRET


class One(BaseModel):
    letter: Letter


class Many(BaseModel):
    letters: list[Letter]
    by_name: dict[str, Letter] = Field(default_factory=dict, serialization_alias="byName")
    pair: tuple[int, Letter] | None = None
    queue: deque[Letter] = Field(default_factory=deque)


class Nested(BaseModel):
    inner: One
    authors: list[Author]


class Root(RootModel[list[Letter]]):
    pass


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")


class Computed(BaseModel):
    subject: str

    @computed_field
    @property
    def letter(self) -> Letter:
        return letter()


class Own(BaseModel):
    """A model of no table, with something internal of its own."""

    total: int
    key: Annotated[str, Internal()] = SECRET


class Wraps(BaseModel):
    own: Own
    anything: Any = None


class Serialized(BaseModel):
    number: int

    @field_serializer("number")
    def _spelled(self, number: int) -> str:
        return f"no. {number}"


@dataclass
class Record:
    letter: Letter


class WithRecord(BaseModel):
    record: Record


def letter() -> Letter:
    return Letter(subject="s", body="text", author=Author(name="a"))


WRAPPED: dict[str, Callable[[], Any]] = {
    "a document": letter,
    "a part": lambda: Author(name="a"),
    "a list": lambda: [letter()],
    "a dict of tuples": lambda: {"a": (letter(), 1)},
    "a model": lambda: One(letter=letter()),
    "collections in a model": lambda: Many(
        letters=[letter()], by_name={"x": letter()}, pair=(1, letter()), queue=deque([letter()])
    ),
    "a model in a model": lambda: Nested(inner=One(letter=letter()), authors=[Author(name="a")]),
    "a root model": lambda: Root([letter()]),
    "an extra field": lambda: Extra(letter=letter(), list=[letter()]),  # type: ignore[call-arg]
    "a computed field": lambda: Computed(subject="s"),
    "a field of its own": lambda: Own(total=1),
    "a model in any": lambda: Wraps(own=Own(total=1), anything=[{"x": Own(total=2)}, letter()]),
}


@pytest.mark.parametrize("wrapped", sorted(WRAPPED))
def test_what_is_internal_never_leaves(wrapped: str) -> None:
    shown = encode(to_json(WRAPPED[wrapped]()))
    assert SECRET.encode() not in shown
    assert b'"key"' not in shown


def test_a_dataclass_that_holds_a_document_is_an_error_and_no_leak() -> None:
    with pytest.raises(TypeError, match="Record has no JSON form"):
        to_json(WithRecord(record=Record(letter())))


def test_what_was_not_awaited_or_awaited_too_early_is_told_the_cure() -> None:
    async def note() -> str:
        return "text"

    forgotten = note()
    with pytest.raises(TypeError, match="a coroutine has no JSON form; await it"):
        to_json({"note": forgotten})
    forgotten.close()
    with pytest.raises(TypeError, match=r"return ctx\.page"):
        to_json(PageOf([], is_done=True, continue_cursor=None, split_cursor=None))


def test_a_document_is_shown_alike_wherever_it_is() -> None:
    one = letter()
    alone = orjson.loads(encode(to_json(one)))
    assert alone["body"] == "text"
    assert alone["author"] == {"name": "a"}
    many = Many(letters=[one], by_name={"x": one}, pair=(1, one))
    wrapped = orjson.loads(encode(to_json(many)))
    assert wrapped == {"letters": [alone], "byName": {"x": alone}, "pair": [1, alone], "queue": []}
    assert orjson.loads(encode(to_json(Root([one])))) == [alone]


class Robot(Part):
    model: str


@pytest.mark.parametrize(
    "kind", [dict[str, Author], Author | Robot | None, list[dict[str, Author]], str | Author]
)
def test_a_table_whose_internal_fields_could_not_be_hidden_is_refused(kind: Any) -> None:
    odd = create_model("Odd", __base__=Document, field=(kind, ...))
    with pytest.raises(TypeError, match="holds fields that are Internal"):
        shape_of(odd)
    hidden = create_model("Hidden", __base__=Document, field=(Annotated[kind, Internal()], ...))
    assert shape_of(hidden).internal == {"field"}
    plain = create_model("Plain", __base__=Document, field=(dict[str, Robot] | str, ...))
    assert "field" in shape_of(plain).fields


def test_a_model_without_documents_is_shown_as_it_says() -> None:
    assert to_json(Serialized(number=7)) == {"number": "no. 7"}
    assert to_json(RootModel[list[int]]([1, 2])) == [1, 2]
