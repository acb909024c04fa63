import gc

from server.core.garbage import leave_what_was_loaded


def test_what_was_loaded_later_is_left_alone_where_the_rest_is() -> None:
    leave_what_was_loaded()
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        loaded = [[number] for number in range(100)]
        leave_what_was_loaded()
        assert gc.get_freeze_count() >= before + len(loaded)
    finally:
        gc.unfreeze()
