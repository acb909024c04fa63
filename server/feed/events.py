"""Change events as values: what happened in the database, in order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from bson import BSON

from schemas.wire.position import Time

__all__ = ["ChangeEvent", "Changes", "Group", "Step", "identity"]


class _DocumentId(dict[str, Any]):
    """An ``_id`` that is a document, fit to be a key."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(BSON.encode(self))


def identity(id_: Any) -> Any:
    """An ``_id`` as the engine keys documents by it; equal to what is stored."""
    return _DocumentId(cast("dict[str, Any]", id_)) if isinstance(id_, dict) else id_


@dataclass(frozen=True, slots=True)
class Changes:
    """What an update changed, as the change event describes it.

    Attributes:
        updated: Dotted path to the new value.
        removed: Dotted paths.
        truncated: Dotted path of an array to its new length.
    """

    updated: Mapping[str, Any]
    removed: tuple[str, ...]
    truncated: Mapping[str, int]

    def roots(self) -> set[str]:
        """The top-level fields that changed."""
        return {path.partition(".")[0] for path in (*self.updated, *self.removed, *self.truncated)}


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One change.

    Attributes:
        kind: ``insert`` and ``replace`` carry `document`, ``update`` carries `changes`,
            ``delete`` carries neither, and ``reset`` says that the whole collection was dropped
            or renamed, or cannot be followed any more.
        collection: Its name.
        id: The document's ``_id``; None for a reset.
    """

    kind: Literal["insert", "update", "replace", "delete", "reset"]
    collection: str
    id: Any = None
    document: Mapping[str, Any] | None = None
    changes: Changes | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Everything that happened at one cluster time: a whole transaction, or a single write."""

    time: Time
    events: tuple[ChangeEvent, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Whole groups that are taken in at one go.

    Attributes:
        time: The position that it leads to.
        groups: In order, the last one at `time` or before; none where only time passed.
    """

    time: Time
    groups: tuple[Group, ...]
