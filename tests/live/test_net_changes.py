"""What some groups did to a document, all in all."""

from typing import Any

from bson import DBRef

from schemas.shape import shape_of
from schemas.wire.position import Time
from server.feed.events import ChangeEvent, Changes, Group
from server.live.net_changes import NetChanges, net_changes
from tests.live.things import Thing

CAME = ChangeEvent("insert", "things", "t", {"_id": "t", "b": DBRef("c", 1)})
INSIDE = ChangeEvent("update", "things", "t", changes=Changes({"b.a": []}, (), {}))


def folded(*events: ChangeEvent, settled: bool = False) -> NetChanges:
    groups = [Group(Time(1, number), [event]) for number, event in enumerate(events)]
    return net_changes(groups, lambda *_: (None, settled), lambda _: shape_of(Thing))


def _only(changes: NetChanges) -> Any:
    (change,) = changes.documents.values()
    return change


def test_a_document_that_came_in_and_cannot_be_followed_is_for_all_to_read_anew() -> None:
    changes = folded(CAME, INSIDE)
    assert not _only(changes).known
    assert changes.resets == {"things": Time(1, 0)}


def test_one_that_is_told_whole_again_afterwards_is_known() -> None:
    changes = folded(CAME, INSIDE, CAME)
    assert _only(changes).known
    assert not changes.resets


def test_an_update_of_what_nobody_wanted_to_know_concerns_nobody() -> None:
    changes = folded(INSIDE)
    assert not _only(changes).known
    assert not changes.resets


def test_one_that_was_read_meanwhile_is_known() -> None:
    changes = folded(CAME, INSIDE, settled=True)
    assert _only(changes).known
    assert not changes.resets
