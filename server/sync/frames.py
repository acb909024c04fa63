"""The bytes of server-sent events.

Source: the HTML standard, "Server-sent events": an event ends with an empty line, and ``id`` is
what a browser sends back as ``Last-Event-ID``.
"""

from typing import Literal

from server.live.held import encode
from server.sync.stream import Change, Transition

__all__ = ["SharedFrames", "live_frame", "sync_frame"]


class SharedFrames:
    """Frames of sync streams, of which many are told the same at the same time."""

    def __init__(self) -> None:
        self._last: Transition | None = None
        self._frame = b""

    def frame(self, transition: Transition) -> bytes:
        """The frame of `transition`, where that is not the first after a connect."""
        if transition != self._last:
            self._last, self._frame = transition, sync_frame(transition, False)
        return self._frame


def sync_frame(transition: Transition, continues: str | Literal[False] | None) -> bytes:
    """A transition of a sync stream.

    Args:
        transition: Of one or more queries, or none.
        continues: In the first frame after a connect, the position that it continues, or None
            where it continues nothing; False in every other frame.
    """
    parts = [_query(change) for change in transition.changes]
    origin = b""
    if continues is not False:
        origin = b'"from":' + (b"null" if continues is None else encode(continues)) + b","
    return b'id: %b\ndata: {%b"queries":{%b}}\n\n' % (
        str(transition.position).encode("ascii"),
        origin,
        b",".join(parts),
    )


def _query(change: Change) -> bytes:
    name = encode(change.id)
    if change.at is None:
        return b"%b:{%b}" % (name, change.body)
    return b'%b:{%b,"at":"%b"}' % (name, change.body, str(change.at).encode("ascii"))


def live_frame(transition: Transition) -> bytes:
    """A transition of a stream that has one query; an empty patch tells of progress."""
    position = str(transition.position).encode("ascii")
    if not transition.changes:
        return b'id: %b\ndata: {"patch":[]}\n\n' % position
    (change,) = transition.changes
    return b"id: %b\ndata: {%b}\n\n" % (position, change.body)
