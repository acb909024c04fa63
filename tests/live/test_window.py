"""A window equals a fresh find, and its patches lead from one result to the next."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.document import Document
from schemas.shape import shape_of
from server.core import limits
from server.feed.events import Changes
from server.live.find import Spec
from server.live.held import Held
from server.live.window import Window
from tests.sse import apply_patch


class Item(Document, collection="items"):
    group: int
    rank: int
    note: str = ""


SHAPE = shape_of(Item)
IDS = st.integers(0, 60)
WRITES = st.lists(
    st.tuples(
        IDS, st.none() | st.tuples(st.integers(0, 1), st.integers(0, 9), st.text("ab", max_size=2))
    ),
    max_size=120,
)
SPECS = st.sampled_from(
    [
        Spec.of(Item, {"group": 1}),
        Spec.of(Item, {"group": 1}, sort=[("rank", 1)]),
        Spec.of(Item, {"group": 1}, sort=[("rank", -1)], limit=3),
        Spec.of(Item, {"group": 1}, sort=[("rank", 1)], last=3),
        Spec.of(Item, {}, sort=[("rank", 1), ("note", -1)], limit=1),
        Spec.of(Item, {"group": 1}, sort=[("rank", 1)], last=4, fields=["rank"]),
        Spec.of(Item, {"group": 1}, sort=[("rank", 1)], last=4, view=lambda item: {"r": item.rank}),
    ]
)


def document(id_: int, values: tuple[int, int, str]) -> dict[str, Any]:
    group, rank, note = values
    return {"_id": f"{id_:03}", "group": group, "rank": rank, "note": note}


def fresh(spec: Spec, stored: dict[str, dict[str, Any]]) -> Window:
    """A window loaded as a database read would load it."""
    window = Window(spec, "")
    matching = [d for d in stored.values() if window.matcher.matches(d)]
    from server.live.ordering import compile_sort

    matching.sort(key=compile_sort(spec.sort))
    limit = window.read_limit
    window.load([(d["_id"], Held.of(d, SHAPE)) for d in matching[:limit]])
    return window


@given(SPECS, WRITES)
@settings(max_examples=300, deadline=None)
def test_a_maintained_result_equals_a_fresh_one_after_every_change(
    spec: Spec, writes: list[tuple[int, tuple[int, int, str] | None]]
) -> None:
    stored = {f"{i:03}": document(i, (1, i % 5, "")) for i in range(0, 60, 2)}
    window = fresh(spec, stored)
    shown = window.value()
    for number, values in writes:
        id_ = f"{number:03}"
        if values is None:
            stored.pop(id_, None)
            held = None
        else:
            stored[id_] = document(number, values)
            held = Held.of(stored[id_], SHAPE)
        if id_ in window.ids and window.may_run_dry(1):
            window = fresh(spec, stored)
            shown = window.value()
        else:
            shown = apply_patch(shown, window.change(id_, held))  # type: ignore[arg-type]
        assert not window.dry
        assert shown == window.value() == fresh(spec, stored).value()


@given(WRITES)
@settings(max_examples=50, deadline=None)
def test_a_window_holds_no_more_than_its_buffer(
    writes: list[tuple[int, tuple[int, int, str] | None]],
) -> None:
    spec = Spec.of(Item, {"group": 1}, sort=[("rank", 1)], limit=2)
    window = fresh(spec, {})
    for number, values in writes:
        held = Held.of(document(number, values), SHAPE) if values else None
        window.change(f"{number:03}", held)
        assert len(window.ids) <= 2 + 2 * limits.WINDOW_BUFFER


def test_a_removal_within_the_buffer_asks_nobody() -> None:
    stored = {f"{i:03}": document(i, (1, i, "")) for i in range(60)}
    window = fresh(Spec.of(Item, {"group": 1}, sort=[("rank", 1)], limit=5), stored)
    for number in range(limits.WINDOW_BUFFER):
        assert not window.may_run_dry(1)
        window.change(f"{number:03}", None)
    assert window.may_run_dry(1)
    assert [item["rank"] for item in window.value()] == [20, 21, 22, 23, 24]


def test_the_encoded_value_is_the_value() -> None:
    import orjson

    stored = {f"{i:03}": document(i, (1, i, "")) for i in range(9)}
    for spec in (
        Spec.of(Item, {"group": 1}, sort=[("rank", 1)], last=4),
        Spec.of(Item, {"group": 1}, limit=4, fields=["rank"]),
    ):
        window = fresh(spec, stored)
        assert orjson.loads(window.encoded()) == window.value()


def test_a_view_of_some_fields_sees_those_alone_and_is_not_asked_about_others() -> None:
    asked: list[dict[str, Any]] = []

    def view(item: Item) -> Any:
        asked.append(item.model_dump(exclude_unset=True))
        return item.rank

    window = Window(Spec.of(Item, {}, fields=["rank"], view=view), "")
    before = Held.of(document(1, (1, 2, "a")), SHAPE)
    window.load([("001", before)])
    assert asked == [{"id": "001", "rank": 2}]
    noted = before.changed(Changes({"note": "b"}, (), {}))
    assert window.change("001", noted, {"note"}) == []
    assert len(asked) == 1
    moved = noted.changed(Changes({"rank": 3}, (), {}))
    assert window.change("001", moved, {"rank"}) == [{"op": "replace", "path": "/0", "value": 3}]


def test_a_text_that_changes_is_told_as_stored_and_shown_with_all_that_came_before() -> None:
    window = Window(Spec.of(Item, {}), "")
    held = Held.of(document(1, (1, 2, "a")), SHAPE)
    window.load([("001", held)])
    shown = window.value()
    for note in ("ab", "c"):
        held = held.changed(Changes({"note": note}, (), {}))
        shown = apply_patch(shown, window.change("001", held, {"note"}))
    held = held.changed(Changes({"rank": 5, "note": "d"}, (), {}))
    shown = apply_patch(shown, window.change("001", held, {"rank", "note"}))
    assert shown == window.value() == [{"_id": "001", "group": 1, "rank": 5, "note": "d"}]
