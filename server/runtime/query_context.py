"""What a query function is given: reads, and nothing else."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar, cast

from bson import ObjectId
from bson.errors import InvalidId

from schemas.document import Document
from schemas.storable import storable
from server.live.fields import check_dates, check_filter, check_names, check_shown, check_sort
from server.live.find import Find, Get, Page, Spec
from server.live.ordering import total_sort
from server.live.page import PageBounds, page_filter

__all__ = ["QueryCtx", "Reader", "addressed", "stored_id"]

D = TypeVar("D", bound=Document)


class Reader(Protocol):
    """Where reads go."""

    def find(self, spec: Spec) -> Awaitable[list[dict[str, Any]]]:
        """The documents of `spec`, in the order in which they are shown."""
        ...

    def count(self, spec: Spec) -> Awaitable[int]:
        """How many documents match."""
        ...


class QueryCtx:
    """Reads for one run of a function.

    Filters and sorts are MongoDB's own language over stored (camelCase) names. One that names a
    field that the table does not have raises ValueError instead of matching nothing.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def find(
        self,
        table: type[D],
        query: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        view: Callable[[D], Any] | None = None,
        within: tuple[str, int] | None = None,
    ) -> Find[D]:
        """Documents of `table`.

        Return it from a query, bare or as a value of a dict, to have it maintained; await it for
        a list of documents.

        Args:
            table: Whose documents.
            query: A filter; all documents where absent.
            sort: Pairs of name and 1 or -1; ``_id`` is added at the end.
            limit: How many, from the start of the order.
            last: How many, from its end; they are shown in the order all the same.
            fields: Stored names to which documents are narrowed. A change outside of them, of
                the filter and of the sort wakes nobody.
            view: A pure function from a document to what is shown of it.
            within: A stored date and milliseconds, ``("lastSeenAt", 60_000)``: only documents
                whose date is less than that ago. They leave when their time has come, by the
                second, with no write to them.
        """
        query = {} if query is None else query
        check_filter(table, query)
        check_sort(table, sort)
        check_names(table, fields or (), "fields")
        _check_within(table, within)
        spec = Spec.of(
            table, addressed(table, query),
            sort=sort, limit=limit, last=last, fields=fields, view=view, within=within,
        )  # fmt: skip
        return Find(spec, self._reader.find)

    def page(
        self,
        table: type[D],
        query: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (),
        size: int = 50,
        after: str | None = None,
        until: str | None = None,
        view: Callable[[D], Any] | None = None,
    ) -> Page[D]:
        """One page of the documents of `table`.

        Return it from a query to have it maintained; await it for a `PageOf`. A client that asks
        for the next page, with ``after`` its page's ``continueCursor``, asks for its page anew
        with that cursor as ``until`` too. Then pages meet where they were divided, whatever comes
        and goes, and a live list of many pages has neither gaps nor repeats.

        Args:
            table: Whose documents.
            query: A filter; all documents where absent.
            sort: Pairs of name and 1 or -1, of fields that hold single values, no arrays;
                ``_id`` is added at the end.
            size: How many documents, while the page has no end.
            after: The cursor that the page begins after; None for the first.
            until: The cursor that it ends with; None for the last page that is shown.
            view: A pure function from a document to what is shown of it.

        Raises:
            InvalidArguments: A cursor is none of this list's.
        """
        query = {} if query is None else query
        check_filter(table, query)
        check_sort(table, sort)
        check_shown(table, [path for path, _ in sort])
        if size < 1:
            raise ValueError(f"size= counts documents, from 1 up; got {size}.")
        bounds = PageBounds(size, after, until)
        order = total_sort(sort)
        within_page = {"$and": [addressed(table, query), page_filter(order, bounds)]}
        limit = size if until is None else None
        spec = Spec.of(table, within_page, sort=order, limit=limit, view=view)
        return Page(replace(spec, page=bounds), self._reader.find)

    def get(self, table: type[D], id_: str) -> Get[D]:
        """The document `id_` of `table`, or None. Return it to have it maintained, or await it."""
        spec = Spec.of(table, {"_id": stored_id(table, id_)})
        return Get(replace(spec, single=True), self._reader.find)

    async def count(
        self,
        table: type[Document],
        query: Mapping[str, Any] | None = None,
        *,
        within: tuple[str, int] | None = None,
    ) -> int:
        """How many documents of `table` match; `within` is what it is to `find`."""
        query = {} if query is None else query
        check_filter(table, query)
        _check_within(table, within)
        return await self._reader.count(Spec.of(table, addressed(table, query), within=within))


def _check_within(table: type[Document], within: tuple[str, int] | None) -> None:
    if within is not None:
        check_names(table, [within[0]], "within")
        check_dates(table, within[0])


def stored_id(table: type[Document], id_: str) -> Any:
    """An id as `table` stores it. One that cannot be an ObjectId stays a string: no match."""
    if not isinstance(id_, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"An id of {table.__name__} is a string, got {id_!r}; to address documents by a "
            "filter, use find, update_one, update_many or delete_many."
        )
    if not table.object_id:
        return id_
    try:
        return ObjectId(id_)
    except InvalidId:
        return id_


def addressed(table: type[Document], query: Mapping[str, Any]) -> dict[str, Any]:
    """`query` in stored values, with every ``_id`` turned into what the table stores."""
    found: dict[str, Any] = storable(query)
    return _with_object_ids(table, found) if table.object_id else found


def _with_object_ids(table: type[Document], query: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, operand in query.items():
        if name == "_id":
            found[name] = _object_ids(table, operand)
        elif name in {"$and", "$or", "$nor"} and isinstance(operand, list):
            branches = cast("list[Mapping[str, Any]]", operand)
            found[name] = [_with_object_ids(table, branch) for branch in branches]
        else:
            found[name] = operand
    return found


def _object_ids(table: type[Document], value: Any) -> Any:
    """The ids in a condition on ``_id``, under its operators too."""
    if isinstance(value, str):
        return stored_id(table, value)
    if isinstance(value, list):
        return [_object_ids(table, one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {k: _object_ids(table, v) for k, v in cast("dict[str, Any]", value).items()}
    return value
