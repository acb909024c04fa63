"""Recorded event streams: the bytes of a reply as the service once sent them, to be sent again.

Pure but for reading files. Line ends of any kind, comments, pings and events newer than this code
are taken as they are; nothing is rewritten.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson

from server.llm.standin.faults import Failure

__all__ = [
    "Frame",
    "RecordingError",
    "Replay",
    "extended",
    "frames",
    "load_replays",
    "recorded_message",
]

_SUFFIXES = {".sse", ".txt"}
_LINE_END = re.compile(rb"\r\n|\r|\n")
# Atomic, so that the two bytes of one CRLF are never taken for two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)+")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RecordingError(ValueError):
    """A recording that cannot be used."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded reply, sent again byte for byte.

    A recording that ends without ``message_stop`` ends so again: cleanly, and cut short. Only the
    blank line after a whole last event, which editors take away, is given back.
    """

    data: bytes = field(repr=False)
    """The body of the response: ``event:`` and ``data:`` lines."""
    event_interval_ms: float | None = None
    """Between events; None is the stand-in's own pace for scripts, none unless it was given one."""
    delay_ms: float = 0
    """Before the first event."""
    failure: Failure | None = None
    name: str = ""
    """Where it came from."""

    @classmethod
    def from_file(
        cls,
        path: Path | str,
        *,
        event_interval_ms: float | None = None,
        delay_ms: float = 0,
        failure: Failure | None = None,
    ) -> "Replay":
        """The recording in the file at `path`.

        Raises:
            RecordingError: The file cannot be read, or holds no event.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise RecordingError(f"{path}: {error.strerror or error}.") from error
        if not any(frame.kind for frame in frames(data)):
            raise RecordingError(
                f"{path}: there is no event in it. Record the body of a streamed response, "
                "lines of `event: …` and `data: …`."
            )
        return cls(data, event_interval_ms, delay_ms, failure, str(path))


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it goes over the wire, with the comments before it."""

    data: bytes
    kind: str = ""
    """Its data's ``type``, else its name; empty if it has neither."""
    written: dict[str, Any] | None = None
    """Its data, where that is a JSON object."""

    @property
    def is_delta(self) -> bool:
        """Whether it carries a piece of the reply: what a script counts and paces."""
        match self.written:
            case {"type": "content_block_delta", "delta": {"type": str(kind)}}:
                return kind != "signature_delta"
            case _:
                return False


def load_replays(path: Path | str, *, event_interval_ms: float | None = None) -> list[Replay]:
    """The recording in a file, or those in a folder's ``.sse`` and ``.txt`` files, by name.

    Raises:
        RecordingError: There is none, or one is unusable.
    """
    path = Path(path)
    if not path.is_dir():
        return [Replay.from_file(path, event_interval_ms=event_interval_ms)]
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    if not files:
        raise RecordingError(f"{path}: there is no .sse or .txt file in it.")
    return [Replay.from_file(file, event_interval_ms=event_interval_ms) for file in files]


def frames(data: bytes) -> Iterator[Frame]:
    """The events of a recording; their bytes join to the recording's."""
    start = 0
    for end in [*(match.end() for match in _BLANK_LINE.finditer(data)), len(data)]:
        piece = data[start:end]
        fields = _fields(piece)
        if not fields and end < len(data):
            continue  # comments: they go with the next event
        start = end
        if piece:
            yield _frame(piece, fields, is_last=end == len(data))


def _frame(piece: bytes, fields: Sequence[tuple[bytes, bytes]], *, is_last: bool) -> Frame:
    name = b"".join(value for key, value in fields if key == b"event")
    data = b"\n".join(value for key, value in fields if key == b"data")
    try:
        value: object = orjson.loads(data)
    except orjson.JSONDecodeError:
        return Frame(piece, name.decode(errors="replace"))
    if is_last and not _is_closed(piece):
        piece = piece.rstrip(b"\r\n") + b"\n\n"
    written = cast("dict[str, Any]", value) if isinstance(value, dict) else None
    kind = written.get("type") if written else None
    return Frame(piece, str(kind or name.decode(errors="replace")), written)


def _is_closed(piece: bytes) -> bool:
    return any(match.end() == len(piece) for match in _BLANK_LINE.finditer(piece))


def _fields(piece: bytes) -> list[tuple[bytes, bytes]]:
    """The named lines of an event."""
    found: list[tuple[bytes, bytes]] = []
    for line in _LINE_END.split(piece.removeprefix(_BYTE_ORDER_MARK)):
        name, _, value = line.partition(b":")
        if name in {b"event", b"data", b"id", b"retry"}:
            found.append((name, value.removeprefix(b" ")))
    return found


def recorded_message(data: bytes) -> dict[str, Any] | None:
    """The message that a recording spells, as far as it goes; None without ``message_start``."""
    message: dict[str, Any] | None = None
    blocks: dict[int, dict[str, Any]] = {}
    deltas: dict[int, list[dict[str, Any]]] = {}
    for written in (frame.written or {} for frame in frames(data)):
        match written:
            case {"type": "message_start", "message": dict()}:
                message = dict(written["message"])
            case {"type": "content_block_start", "index": int(index), "content_block": dict()}:
                blocks[index] = dict(written["content_block"])
            case {"type": "content_block_delta", "index": int(index), "delta": dict()}:
                deltas.setdefault(index, []).append(written["delta"])
            case {"type": "message_delta"} if message is not None:
                usage = {**message.get("usage", {}), **written.get("usage", {})}
                message = {**message, **written.get("delta", {}), "usage": usage}
            case _:
                pass
    if message is None:
        return None
    message["content"] = [extended(blocks[n], deltas.get(n, ())) for n in sorted(blocks)]
    return message


def extended(block: dict[str, Any], deltas: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A content block as its deltas leave it."""
    written: dict[str, list[str]] = {}
    for delta in deltas:
        match delta:
            case {"type": "text_delta", "text": str(piece)}:
                written.setdefault("text", []).append(piece)
            case {"type": "thinking_delta", "thinking": str(piece)}:
                written.setdefault("thinking", []).append(piece)
            case {"type": "input_json_delta", "partial_json": str(piece)}:
                written.setdefault("input", []).append(piece)
            case {"type": "signature_delta", "signature": str(signature)}:
                block = block | {"signature": signature}
            case {"type": "citations_delta", "citation": citation}:
                block = block | {"citations": [*(block.get("citations") or ()), citation]}
            case _:
                pass
    for name, pieces in written.items():
        text = "".join(pieces)
        value = _input(text) if name == "input" else str(block.get(name) or "") + text
        block = block | {name: value}
    return block


def _input(written: str) -> object:
    try:
        return orjson.loads(written or "{}")
    except orjson.JSONDecodeError:
        return {}
