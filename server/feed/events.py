"""Change events as values: what happened in the database, in order.

Nobody changes them once they are made. They are not frozen, because there are tens of thousands in
a burst, and a frozen one takes three times as long to make.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bson import BSON

from schemas.wire.position import Time

__all__ = ["ChangeEvent", "Changes", "Group", "Step", "identity", "stored_id"]


class _Identity:
    """An ``_id`` that Python would not tell from others as MongoDB does, fit to be a key.

    True is no 1, and one NaN is another; a document is no key at all.
    """

    __slots__ = ("_encoded", "id")

    def __init__(self, id_: Any) -> None:
        self.id = id_
        self._encoded = BSON.encode({"": id_})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self._encoded == other._encoded

    def __hash__(self) -> int:
        return hash(self._encoded)

    def __repr__(self) -> str:
        return repr(self.id)


def identity(id_: Any) -> Any:
    """An ``_id`` as the engine keys documents by it; `stored_id` turns it back."""
    if type(id_) is not str and (isinstance(id_, (dict, bool)) or id_ != id_):  # NaN is not itself
        return _Identity(id_)
    return id_


def stored_id(identity: Any) -> Any:
    """The ``_id`` as it is stored."""
    return identity.id if isinstance(identity, _Identity) else identity


@dataclass(slots=True)
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
    _roots: frozenset[str] | None = field(default=None, init=False, compare=False)

    def roots(self) -> frozenset[str]:
        """The top-level fields that changed."""
        if self._roots is None:
            paths = self.updated
            if self.removed or self.truncated:
                paths = (*self.updated, *self.removed, *self.truncated)
            self._roots = frozenset([path.partition(".")[0] for path in paths])
        return self._roots


@dataclass(slots=True)
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


@dataclass(slots=True)
class Group:
    """Everything that happened at one cluster time: a whole transaction, or a single write."""

    time: Time
    events: list[ChangeEvent]


@dataclass(slots=True)
class Step:
    """Whole groups that are taken in at one go.

    Attributes:
        time: The position that it leads to.
        groups: In order, the last one at `time` or before; none where only time passed.
    """

    time: Time
    groups: tuple[Group, ...]
