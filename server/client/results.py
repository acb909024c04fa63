"""What the server last said of each query, and at which position.

Nothing here knows who asked, or which connection speaks. A transition is taken whole or not at
all: where one of its changes does not fit, `receive` raises and the results stay as they were.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from server.client.errors import HeadwaterError, error_from_body
from server.client.patching import PatchError, apply_patch
from server.client.sharing import shared

__all__ = ["OutOfStep", "Result", "Results", "Step"]


class OutOfStep(ValueError):
    """The server continues something that this client does not hold."""


class Result(NamedTuple):
    """One query's state.

    Attributes:
        value: As of the last time that it had one.
        error: Why it has none now.
        at: The position of a value that lags behind the others'.
        resumable: Whether a patch, or a ``from``, can refer to the value.
    """

    value: Any
    error: HeadwaterError | None = None
    at: str | None = None
    resumable: bool = True


class Step(NamedTuple):
    """What a transition did to one query.

    Attributes:
        patch: What led from the value before; None where the value is new as a whole, or is an
            error now.
        changed: Whether the value is another than before.
    """

    patch: list[Any] | None
    changed: bool


class Results:
    """The state of a query set.

    Attributes:
        position: How far the results have come; opaque, to be handed back as it is.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, Result] = {}
        self.position: str | None = None

    def get(self, id_: str) -> Result | None:
        """The state of one query; None before the server has said anything of it."""
        return self._by_id.get(id_)

    def position_of(self, id_: str) -> str | None:
        """Where a new stream should continue this query from; None: it needs a snapshot."""
        result = self._by_id.get(id_)
        return (result.at or self.position) if result is not None and result.resumable else None

    def forget_positions(self) -> None:
        """Keep the values, and let nothing refer to them."""
        for id_, result in self._by_id.items():
            self._by_id[id_] = result._replace(resumable=False)

    def continue_from(self, position: object) -> None:
        """Check what a stream's first transition says it continues; None: nothing.

        Raises:
            OutOfStep: It is not held.
        """
        if position is None:
            self.forget_positions()
        elif position not in [self.position_of(id_) for id_ in self._by_id]:
            raise OutOfStep(f"The stream continues from {position!r:.100}, which is not held.")

    def receive(self, position: str, changes: Mapping[str, Any]) -> dict[str, Step]:
        """Take a transition to `position` in; gives the queries that it mentions.

        Raises:
            OutOfStep: A change does not fit what is held.
        """
        taken = {id_: _next(id_, self._by_id.get(id_), change) for id_, change in changes.items()}
        for id_, (result, _) in taken.items():
            self._by_id[id_] = result
        if not position.endswith("-"):  # nothing is behind, what was not mentioned neither
            for id_ in self._by_id.keys() - taken.keys():
                self._by_id[id_] = self._by_id[id_]._replace(at=None)
        self.position = position
        return {id_: step for id_, (_, step) in taken.items()}


def _next(id_: str, held: Result | None, change: object) -> tuple[Result, Step]:
    fields = cast("dict[str, Any]", change) if isinstance(change, dict) else {}
    at = fields.get("at")
    if at is not None and not isinstance(at, str):
        raise OutOfStep(f"The value of {id_!r:.100} is said to be true at {at!r:.100}.")
    if "error" in fields:
        error = error_from_body(fields["error"])
        value = None if held is None else held.value
        return Result(value, error, resumable=False), Step(None, changed=True)
    if "snapshot" in fields:
        value = fields["snapshot"]
        if held is not None:
            value = shared(held.value, value)
        same = held is not None and held.error is None and value is held.value
        return Result(value, at=at), Step(None, changed=not same)
    if held is None or not held.resumable:
        raise OutOfStep(f"Query {id_!r:.100} got no snapshot, and there is no value to patch.")
    try:
        value = apply_patch(held.value, fields.get("patch"))
    except PatchError as error:
        raise OutOfStep(f"A patch of {id_!r:.100} does not fit. {error}") from None
    return Result(value, at=at), Step(fields["patch"], changed=value is not held.value)
