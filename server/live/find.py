"""What a query asks for: a find, as data.

Returned from a query function, a find is maintained; awaited, it is read and watched.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from schemas.document import Document
from server.live.ordering import total_sort
from server.live.page import PageBounds, page_end, sort_values
from server.live.text import ChunkText
from server.live.within import Within

__all__ = ["Find", "Get", "Page", "PageOf", "Read", "Spec", "model_of", "read_page", "thaw"]

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, eq=False)
class Spec:
    """One find.

    Attributes:
        table: Whose documents.
        query: A filter in MongoDB's language, over stored names.
        sort: Total: it ends in ``_id``. Where `from_end`, it is the reverse of what is shown.
        limit: How many, counted from the start of `sort`; None for all.
        from_end: Whether the result is shown in the reverse of `sort` (a find with ``last=``).
        fields: Stored top-level names to which the result is narrowed; None for all.
        view: From a document to what is shown; None for the document itself.
        single: Whether the result is the one document, or None, instead of a list.
        within: A sliding window of time that narrows `query`.
        page: Where the result is a page of a longer list, which.
    """

    table: type[Document]
    query: Mapping[str, Any]
    sort: tuple[tuple[str, int], ...]
    limit: int | None = None
    from_end: bool = False
    fields: tuple[str, ...] | None = None
    view: Callable[[Any], Any] | None = None
    single: bool = False
    within: Within | None = None
    page: PageBounds | None = None

    @classmethod
    def of(
        cls,
        table: type[Document],
        query: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        view: Callable[[Any], Any] | None = None,
        within: tuple[str, int] | None = None,
    ) -> "Spec":
        """A spec from what `ctx.find` was given.

        Raises:
            ValueError: The combination makes no sense.
        """
        if limit is not None and last is not None:
            raise ValueError("Give limit= (from the start) or last= (from the end), not both.")
        bound = limit if limit is not None else last
        if bound is not None and bound < 1:
            raise ValueError(f"limit= and last= count documents, from 1 up; got {bound}.")
        ordered = total_sort(sort)
        if last is not None:
            ordered = [(path, -direction) for path, direction in ordered]
        named = tuple(dict.fromkeys(("_id", *fields))) if fields is not None else None
        window = None if within is None else Within(*within)
        if window is not None and not (isinstance(window.period_ms, int) and window.period_ms > 0):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"within= takes a field and milliseconds, from 1 up; got {within}.")
        return cls(
            table, query, tuple(ordered), bound, last is not None, named, view, False, window
        )

    def filter_at(self, second: int) -> Mapping[str, Any]:
        """The whole filter for a read whose time is `second`, since the epoch."""
        if self.within is None:
            return self.query
        return {"$and": [self.query, self.within.condition(second)]}

    @property
    def sort_roots(self) -> frozenset[str]:
        """The top-level fields that the order depends on."""
        return frozenset(path.partition(".")[0] for path, _ in self.sort)


Read = Callable[[Spec], Awaitable[list[dict[str, Any]]]]
"""Reads the documents of a spec, in the order in which they are shown."""


@dataclass(frozen=True, eq=False)
class Find(Generic[D]):
    """Documents of a table. Return it to have it maintained, await it for a list."""

    spec: Spec
    read: Read

    def __await__(self) -> Generator[Any, None, list[D]]:
        """The documents, as they are now."""
        return self._fetch().__await__()

    async def _fetch(self) -> list[D]:
        documents = await self.read(self.spec)
        return [cast("D", model_of(self.spec, document)) for document in documents]


@dataclass(frozen=True, eq=False)
class Get(Generic[D]):
    """One document, or None. Return it to have it maintained, await it for the document."""

    spec: Spec
    read: Read

    def __await__(self) -> Generator[Any, None, D | None]:
        """The document, as it is now."""
        return self._fetch().__await__()

    async def _fetch(self) -> D | None:
        documents = await self.read(self.spec)
        return cast("D", model_of(self.spec, documents[0])) if documents else None


@dataclass(frozen=True)
class PageOf(Generic[D]):
    """One page of a list, as an awaited `Page` gives it.

    Attributes:
        page: The documents.
        is_done: Whether nothing follows.
        continue_cursor: Where the next page begins.
        split_cursor: Where to divide a page that has grown too large; None for most.
    """

    page: list[D]
    is_done: bool
    continue_cursor: str | None
    split_cursor: str | None


@dataclass(frozen=True, eq=False)
class Page(Generic[D]):
    """A page of a longer list. Return it to have it maintained, await it for its documents.

    Clients see ``{"page", "isDone", "continueCursor", "splitCursor"}``.
    """

    spec: Spec
    read: Read

    def __await__(self) -> Generator[Any, None, PageOf[D]]:
        """The page, as it is now."""
        return self._fetch().__await__()

    async def _fetch(self) -> PageOf[D]:
        documents, end = await read_page(self.spec, self.read)
        return PageOf(
            [cast("D", model_of(self.spec, document)) for document in documents],
            end["isDone"], end["continueCursor"], end["splitCursor"],
        )  # fmt: skip


async def read_page(spec: Spec, read: Read) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The documents of a page, and what it says of what follows it (see `page_end`)."""
    assert spec.page is not None
    beyond = None if spec.limit is None else spec.limit + 1
    documents = await read(replace(spec, limit=beyond))
    for document in documents:
        sort_values(spec.sort, document)  # raises where one has no one place
    more = spec.limit is not None and len(documents) > spec.limit
    shown = documents[: spec.limit]
    return shown, page_end(spec.sort, spec.page, shown.__getitem__, len(shown), more=more)


def model_of(spec: Spec, document: Mapping[str, Any]) -> Document:
    """The typed document of a stored one; other people's misfits are kept as they are."""
    table = spec.table
    raw = {**document, "_id": str(document["_id"])}
    if spec.fields is None:
        try:
            return table.model_validate(raw)
        except ValidationError:
            pass
    by_stored = {
        info.serialization_alias or info.alias or name: name
        for name, info in table.model_fields.items()
    }
    present = {
        by_stored[name]: _field_of(table, by_stored[name], value)
        for name, value in raw.items()
        if name in by_stored
    }
    return table.model_construct(_fields_set=set(present), **present)


def _field_of(table: type[Document], name: str, value: Any) -> Any:
    try:
        return _adapter(table, name).validate_python(value)
    except ValidationError:
        return value


@cache
def _adapter(table: type[Document], name: str) -> TypeAdapter[Any]:
    info = table.model_fields[name]
    annotated: Any = Annotated[info.annotation, None, *info.metadata]  # pyright: ignore[reportInvalidTypeForm]
    return TypeAdapter(annotated)


def thaw(value: Any) -> Any:
    """A held value as it is stored: `ChunkText` becomes its list of chunks again."""
    if isinstance(value, ChunkText):
        return value.chunks()
    if isinstance(value, Mapping):
        return {k: thaw(v) for k, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [thaw(item) for item in cast("list[Any]", value)]
    return value
