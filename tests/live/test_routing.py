"""Who is led to what, and who holds which document."""

from typing import Any

import pytest

from schemas.shape import shape_of
from schemas.wire.position import Time
from server.live.find import Spec
from server.live.held import Held
from server.live.live_query import LiveQuery
from server.live.net_changes import NetChange
from server.live.routing import Routing
from server.live.window import Window
from tests.live.things import Thing


def stored(id_: str, n: Any) -> Held:
    return Held.of({"_id": id_, "n": n}, shape_of(Thing))


async def _nothing(_: Any) -> None:
    return None


def test_a_document_that_left_as_its_window_failed_is_held_by_nobody() -> None:
    def view(one: Any) -> int:
        return 1 // (9 - one.n)

    window = Window(Spec.of(Thing, {}, sort=[("n", 1)], limit=1, view=view), "")
    window.load([("a", stored("a", 1)), ("b", stored("b", 2)), ("c", stored("c", 12))])
    query, another = (LiveQuery(key, key, _nothing, 0.0) for key in ("query", "another"))
    query.windows, another.windows = [window], [Window(Spec.of(Thing, {"g": "x"}), "")]
    routing = Routing([Thing])
    routing.add(query)
    routing.add(another)
    change = NetChange("things", "a", Time(1, 1), stored("a", 9), True, {"n"}, False)
    with pytest.raises(ZeroDivisionError):
        routing.change(window, change, accepted=True)
    routing.remove(query)
    assert routing.held("things", "a") is None
    assert not list(routing.touched(change))
