"""A query set: what a sync stream subscribes to."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["QueryRequest", "SyncRequest"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class QueryRequest(_Request):
    """One query of the set.

    Attributes:
        id: The client's name for it, unique in the set.
        function: ``module.function``.
        args: Its arguments.
        from_: The position from which it continues; absent, it starts with a snapshot.
    """

    id: Annotated[str, Field(min_length=1, max_length=64)]
    function: Annotated[str, Field(min_length=1, max_length=200)]
    args: dict[str, Any] = Field(default_factory=dict)
    from_: Annotated[str | None, Field(alias="from", max_length=64)] = None


class SyncRequest(_Request):
    """The body of ``POST /api/sync``; the query string of ``GET /api/sync`` says the same.

    Attributes:
        queries: The set; a set that is too large is refused.
        client: The client's name for itself, the same as in ``Headwater-Client`` on its calls.
        from_: The position of every query that does not say its own.
        strict: Whether a query that is being run again holds the others back.
        after: A position before which nothing is told, that of the client's last write as a rule.
    """

    queries: list[QueryRequest]
    client: Annotated[str | None, Field(max_length=64)] = None
    from_: Annotated[str | None, Field(alias="from", max_length=64)] = None
    strict: bool = False
    after: Annotated[str | None, Field(max_length=64)] = None
