"""A maintained find: the documents that match, in order, up to a limit and a little beyond.

Pure: it is told what became of a document, and what time it is, and answers with the operations
of a patch.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from typing import Any

from schemas.shape import shape_of
from schemas.wire.patch import Operation
from server.core import limits
from server.feed.events import identity
from server.live.departures import Departures
from server.live.find import Spec, model_of, thaw
from server.live.held import Held, encode
from server.live.matching import Matcher, compile_filter
from server.live.ordering import Key, compile_sort
from server.live.page import page_end, sort_values
from server.live.patching import diff, diff_fields
from server.live.projection import to_json

__all__ = ["Window", "hold_all"]


@dataclass(slots=True)
class _Row:
    """One document of the window; `own` is what this window shows of it, where it has a say."""

    id: Any
    held: Held
    own: Any

    @property
    def shown(self) -> Any:
        """What its client sees of it."""
        return self.held.shown if self.own is None else self.own[0]


class Window:
    """The result of one find, kept current.

    Beyond a limit it holds a buffer of `WINDOW_BUFFER` documents, so that one that leaves is
    followed by the next without asking the database. When the buffer is used up the window is
    *dry*: it no longer knows what follows, and must be read again.

    Attributes:
        spec: What is found.
        path: Where the result stands in the query's value, as a JSON pointer.
        matcher: The compiled filter.
        roots: The top-level fields on which membership and order depend.
        entry_roots: Those of them by which a document that is not held could come in.
        second: The time, where the find has a sliding window; whoever moves it asks for what left.
        moved: Ids that came, left or changed places; whoever counts the holders empties it.
    """

    def __init__(self, spec: Spec, path: str) -> None:
        self.spec = spec
        self.path = path
        self.matcher: Matcher = compile_filter(spec.query)
        filtered = self.matcher.roots
        if spec.within is not None:
            filtered |= {spec.within.field.partition(".")[0]}
        self._filtered = filtered
        self.roots = filtered | spec.sort_roots
        self.entry_roots = filtered if spec.limit is None else self.roots
        self.moved: list[Any] = []
        self.second = 0
        self._shows_all = spec.fields is None and spec.view is None
        self._shown_roots = None if spec.fields is None else frozenset(spec.fields)
        self._rows_path = path if spec.page is None else f"{path}/page"
        self._departures = Departures()
        self._order = compile_sort(spec.sort)
        self._limited = spec.limit is not None and spec.limit <= limits.RESULT_DOCUMENTS_MAX
        self._size = spec.limit if spec.limit and self._limited else limits.RESULT_DOCUMENTS_MAX
        self._complete = True
        self._keys: list[Key] = []
        self._rows: list[_Row] = []
        self._key_of: dict[Any, Key] = {}

    @property
    def read_limit(self) -> int | None:
        """How many documents to read for `load`; None for all."""
        if not self._limited:
            return None
        return min(self._size + limits.WINDOW_BUFFER, limits.RESULT_DOCUMENTS_MAX)

    def load(self, documents: Iterable[tuple[Any, Held]]) -> None:
        """Take the documents just read, by id, in the order of `spec.sort`."""
        for id_, held in documents:
            key = self._place(held)
            self._keys.append(key)
            self._rows.append(_Row(id_, held, self._own(held)))
            self._key_of[id_] = key
            self._note_departure(id_, held)
        limit = self.read_limit
        self._complete = limit is None or len(self._rows) < limit

    # --- what it holds -------------------------------------------------------------------------

    @property
    def ids(self) -> Collection[Any]:
        """The ids of the documents held, those of the buffer included."""
        return self._key_of.keys()

    def held(self, id_: Any) -> Held | None:
        """The document held under `id_`."""
        key = self._key_of.get(id_)
        return None if key is None else self._rows[bisect_left(self._keys, key)].held

    def adopt(self, id_: Any, held: Held) -> None:
        """Hold `held`, an equal value, instead of our own copy."""
        self._rows[bisect_left(self._keys, self._key_of[id_])].held = held

    @property
    def dry(self) -> bool:
        """Whether fewer documents are held than are to be shown, or more than may be."""
        return (not self._complete and len(self._rows) < self._size) or self._overfull

    @property
    def _overfull(self) -> bool:
        return not self._limited and len(self._rows) > limits.RESULT_DOCUMENTS_MAX

    def may_run_dry(self, changes: int) -> bool:
        """Whether the window could be dry after so many documents came, left or moved."""
        if not self._limited:
            return len(self._rows) + changes > limits.RESULT_DOCUMENTS_MAX
        return not self._complete and len(self._rows) - changes < self._size

    @property
    def visible(self) -> int:
        """How many documents are shown."""
        return min(len(self._rows), self._size)

    def value(self) -> Any:
        """What is shown: a list, for a single document that or None, for a page its list too."""
        shown = [row.shown for row in self._rows[: self._size]]
        if self.spec.single:
            return shown[0] if shown else None
        if self.spec.from_end:
            shown.reverse()
        return shown if self.spec.page is None else {"page": shown, **self._page_end()}

    def encoded(self) -> bytes:
        """The JSON text of `value`, from texts that the documents keep."""
        texts = [
            row.held.encoded() if row.own is None else encode(row.shown)
            for row in self._rows[: self._size]
        ]
        if self.spec.single:
            return texts[0] if texts else b"null"
        if self.spec.from_end:
            texts.reverse()
        rows = b"[" + b",".join(texts) + b"]"
        if self.spec.page is None:
            return rows
        return b'{"page":' + rows + b"," + encode(self._page_end())[1:]

    def _page_end(self) -> dict[str, Any]:
        """What a page says of what follows it."""
        page = self.spec.page
        assert page is not None
        more = not self._complete or len(self._rows) > self._size
        return page_end(
            self.spec.sort, page, lambda i: self._rows[i].held.raw, self.visible, more=more
        )

    def _own(self, held: Held) -> tuple[Any] | None:
        """What is shown of a document, where that is not all that a client may see of it."""
        if self.spec.view is not None:
            return (to_json(self.spec.view(model_of(self.spec, thaw(self._viewed(held.raw))))),)
        if self.spec.fields is not None:
            shown = held.shown
            return ({name: shown[name] for name in self.spec.fields if name in shown},)
        return None

    def _viewed(self, raw: dict[str, Any]) -> dict[str, Any]:
        """What a view is given: as little as is asked for, whoever else holds the document."""
        if self.spec.fields is None:
            return raw
        return {name: raw[name] for name in ("_id", *self.spec.fields) if name in raw}

    # --- what became of a document -------------------------------------------------------------

    def change(
        self, id_: Any, new: Held | None, roots: Set[str] | None = None, *, accepted: bool = True
    ) -> list[Operation]:
        """The document `id_` is now `new`, or gone; gives what changes in `value`.

        Args:
            id_: Its id.
            new: What it is now.
            roots: The top-level fields that changed; None where it may be all of it.
            accepted: What MongoDB says, where the matcher asks it.
        """
        if roots is not None and new is not None and self.roots.isdisjoint(roots):
            key = self._key_of.get(id_)
            return [] if key is None else self._rewrite(bisect_left(self._keys, key), new, roots)
        if self.spec.single:
            before = self.value()
            self._move(id_, new, roots, accepted=accepted)
            return diff(before, self.value(), self.path)
        if self.spec.page is None:
            return self._move(id_, new, roots, accepted=accepted)
        end = self._page_end()
        operations = self._move(id_, new, roots, accepted=accepted)
        return operations + diff(end, self._page_end(), self.path)

    def pass_time(self, second: int) -> list[Operation]:
        """It is `second` now; documents that are too old leave."""
        self.second = max(self.second, second)
        operations: list[Operation] = []
        while (due := self._departures.next(self._departure_of)) is not None and due[
            0
        ] <= self.second:
            operations += self.change(due[1], None)
        return operations

    @property
    def next_departure(self) -> int | None:
        """The second at which the next document leaves; None where none will."""
        due = self._departures.next(self._departure_of)
        return None if due is None else due[0]

    def _departure(self, held: Held) -> int:
        assert self.spec.within is not None
        return self.spec.within.departure(held.raw)

    def _departure_of(self, id_: Any) -> int | None:
        held = self.held(id_)
        return None if held is None else self._departure(held)

    def _note_departure(self, id_: Any, held: Held) -> None:
        if self.spec.within is None:
            return
        self._departures.note(id_, self._departure(held))
        if self._departures.overfull(len(self._rows)):
            self._departures.renew((row.id, self._departure(row.held)) for row in self._rows)

    def _place(self, held: Held) -> Key:
        """Where a document stands.

        Raises:
            ValueError: It would stand in several pages.
        """
        if self.spec.page is not None:
            sort_values(self.spec.sort, held.raw)
        return self._order(held.raw)

    def _belongs(self, new: Held) -> bool:
        if self.spec.within is not None and self._departure(new) <= self.second:
            return False
        return self.matcher.matches(new.raw)

    def _move(
        self, id_: Any, new: Held | None, roots: Set[str] | None, *, accepted: bool
    ) -> list[Operation]:
        old_key = self._key_of.get(id_)
        if old_key is not None and roots is not None and self._filtered.isdisjoint(roots):
            belongs = new is not None  # it did before, and what that depends on is as it was
        else:
            belongs = accepted and new is not None and self._belongs(new)
        if old_key is None and not belongs:
            return []
        if not belongs or new is None:
            assert old_key is not None
            return self._leave(bisect_left(self._keys, old_key))
        key = self._place(new)
        if old_key is None:
            operations = self._enter(id_, key, new)
        else:
            index = bisect_left(self._keys, old_key)
            if key == old_key:
                operations = self._rewrite(index, new, None)
            else:
                operations = self._shift(index, key, new)
        if id_ in self._key_of:
            self._note_departure(id_, new)
        return operations

    def _rewrite(self, index: int, new: Held, roots: Set[str] | None) -> list[Operation]:
        row = self._rows[index]
        before, row.held = row.held, new
        if roots is not None and self._shows_all:
            if index >= self._size:
                return []
            return new.difference(before, roots, self._pointer(index, self.visible))
        if roots is not None and not self._shows(roots):
            return []
        own_before, row.own = row.own, self._own(new)
        if index >= self._size:
            return []
        pointer = self._pointer(index, self.visible)
        shown_before = before.shown if own_before is None else own_before[0]
        if roots is None or self.spec.view is not None:
            return diff(shown_before, row.shown, pointer)
        return diff_fields(shown_before, row.shown, roots, pointer)

    def _shows(self, roots: Set[str]) -> bool:
        """Whether a change of these fields can be seen."""
        if self._shown_roots is None:
            return True
        return not self._shown_roots.isdisjoint(roots)

    def _enter(self, id_: Any, key: Key, new: Held) -> list[Operation]:
        index = bisect_left(self._keys, key)
        if index == len(self._rows) and not self._complete:
            return []  # beyond what is known
        full = self.visible == self._size
        row = _Row(id_, new, self._own(new))
        self._insert(index, key, row)
        operations: list[Operation] = []
        if index < self._size:
            if full and self._limited:
                operations.append(self._removed(self._size - 1, self._size))
                operations.append(self._added(index, self._size - 1, row))
            else:
                operations.append(self._added(index, self.visible - 1, row))
        self._trim()
        return operations

    def _leave(self, index: int) -> list[Operation]:
        visible = self.visible
        self._delete(index)
        if index >= self._size:
            return []
        operations = [self._removed(index, visible)]
        if len(self._rows) >= self._size:
            follower = self._rows[self._size - 1]
            operations.append(self._added(self._size - 1, visible - 1, follower))
        return operations

    def _shift(self, index: int, key: Key, new: Held) -> list[Operation]:
        """The document stays, in another place."""
        row = self._rows[index]
        target = bisect_left(self._keys, key)
        if target > index:
            target -= 1
        if target == len(self._rows) - 1 and not self._complete:
            return self._leave(index)  # to where nothing is known
        if index < self._size <= target or target < self._size <= index:
            return self._leave(index) + self._enter(row.id, key, new)
        visible = self.visible
        self._delete(index)
        self._insert(target, key, row)
        before = row.shown
        row.held, row.own = new, self._own(new)
        if index >= self._size:
            return []
        pointer = self._pointer(target, visible)
        operations: list[Operation] = []
        if index != target:
            source = self._pointer(index, visible)
            operations.append({"op": "move", "from": source, "path": pointer})
        return operations + diff(before, row.shown, pointer)

    # --- the two lists -------------------------------------------------------------------------

    def _insert(self, index: int, key: Key, row: _Row) -> None:
        self.moved.append(row.id)
        self._keys.insert(index, key)
        self._rows.insert(index, row)
        self._key_of[row.id] = key

    def _delete(self, index: int) -> None:
        id_ = self._rows[index].id
        self.moved.append(id_)
        del self._key_of[id_]
        del self._keys[index], self._rows[index]

    def _trim(self) -> None:
        """Let go of documents far beyond the limit."""
        if not self._limited:
            return
        while len(self._rows) > self._size + 2 * limits.WINDOW_BUFFER:
            self._delete(len(self._rows) - 1)
            self._complete = False

    def _pointer(self, index: int, visible: int) -> str:
        """Where the row `index` is shown while `visible` rows are."""
        if self.spec.single:
            return self._rows_path
        return f"{self._rows_path}/{visible - 1 - index if self.spec.from_end else index}"

    def _removed(self, index: int, visible: int) -> Operation:
        return {"op": "remove", "path": self._pointer(index, visible)}

    def _added(self, index: int, visible: int, row: _Row) -> Operation:
        """Row `index` appears where `visible` rows were shown before."""
        return {"op": "add", "path": self._pointer(index, visible + 1), "value": row.shown}


def hold_all(spec: Spec, documents: Iterable[dict[str, Any]]) -> list[tuple[Any, Held]]:
    """Documents just read, as `Window.load` takes them."""
    shape = shape_of(spec.table)
    return [(identity(document["_id"]), Held.of(document, shape)) for document in documents]
