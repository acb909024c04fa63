"""Scripts from files: JSON, in the names of the Python classes.

```json
{
  "turns": [
    {
      "parts": [
        {"type": "thinking", "deltas": ["Hm, ", "well."]},
        {"type": "text", "deltas": "A whole text is cut into words.", "citations": [{}]},
        {"type": "tool_use", "name": "weather", "input": {"city": "Bern"}, "id": "toolu_1"},
        {"type": "block", "start": {"type": "server_tool_use"}, "deltas": []}
      ],
      "stop_reason": "tool_use",
      "delay_ms": 0,
      "delta_interval_ms": 20,
      "usage": {"output_tokens": 7},
      "failure": {"type": "dropped", "at_event": 4}
    },
    {"replay": "recorded.sse", "event_interval_ms": 5}
  ],
  "loop": false
}
```

Every field but ``type`` and what identifies a part may be left out. Failures: ``status_error``
(status, error_type, message, retry_after_s), ``error_event`` (error_type, message), ``cut_short``
and ``dropped`` (bytes_of_next), ``malformed`` (data), ``stalled`` (for_ms, ping_interval_ms); each
of the last five comes ``after`` so many deltas or ``at_event``. A recording's path is relative to
the script's.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic import ValidationError as Invalid

from server.llm.standin import faults, script
from server.llm.standin.recording import Replay, load_replays

__all__ = ["ScriptError", "load_script"]

_TAGS = {"reply", "replay", "thinking", "text", "tool_use", "block", "status_error", "error_event",
         "cut_short", "dropped", "malformed", "stalled"}  # fmt: skip
_ERRORS_MAX = 5


class ScriptError(ValueError):
    """A script file that cannot be used; says where, and why."""


def load_script(path: Path | str) -> script.Script:
    """The script in the JSON file at `path`.

    Raises:
        ScriptError: It cannot be read, or is no script.
        RecordingError: A recording that it names is unusable.
    """
    path = Path(path)
    try:
        written = path.read_bytes()
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror or error}.") from error
    try:
        parsed = _File.model_validate_json(written)
    except Invalid as error:
        raise ScriptError(f"{path}: {'; '.join(_reasons(error))}.") from error
    turns = [each for turn in parsed.turns for each in turn.built(path.parent)]
    return script.Script(*turns, loop=parsed.loop)


def _reasons(error: Invalid) -> Iterator[str]:
    errors = error.errors(include_url=False, include_context=False)
    for each in errors[:_ERRORS_MAX]:
        yield f"{_place(each['loc'])}{each['msg'][0].lower()}{each['msg'][1:]}"
    if len(errors) > _ERRORS_MAX:
        yield f"and {len(errors) - _ERRORS_MAX} more"


def _place(steps: tuple[int | str, ...]) -> str:
    """Where in the file, without the names that only tell apart what may stand there."""
    kept = [
        str(step)
        for before, step in zip(("", *steps), steps, strict=False)
        if step not in _TAGS or not (isinstance(before, int) or before == "failure")
    ]
    return f"{'.'.join(kept)}: " if kept else ""


def _cut(value: object) -> object:
    return re.findall(r"\s*\S+|\s+$", value) if isinstance(value, str) else value


_Pieces = Annotated[list[str], BeforeValidator(_cut)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Thinking(_Written):
    type: Literal["thinking"]
    deltas: _Pieces

    def built(self) -> script.Part:
        return script.Thinking(self.deltas)


class _Text(_Written):
    type: Literal["text"]
    deltas: _Pieces
    citations: list[dict[str, Any]] = []

    def built(self) -> script.Part:
        return script.Text(self.deltas, self.citations)


class _ToolUse(_Written):
    type: Literal["tool_use"]
    name: str
    input: dict[str, Any] = {}
    id: str | None = None
    deltas: list[str] | None = None

    def built(self) -> script.Part:
        return script.ToolUse(self.name, self.input, self.id, self.deltas)


class _Block(_Written):
    type: Literal["block"]
    start: dict[str, Any]
    deltas: list[dict[str, Any]] = []

    def built(self) -> script.Part:
        return script.Block(self.start, self.deltas)


class _StatusError(_Written):
    type: Literal["status_error"]
    status: int = Field(ge=400, le=599)
    error_type: str
    message: str = "The script says no."
    retry_after_s: float | None = None

    def built(self) -> faults.Failure:
        return faults.StatusError(self.status, self.error_type, self.message, self.retry_after_s)


class _AtEvent(_Written):
    after: int = Field(default=0, ge=0)
    at_event: int | None = Field(default=None, ge=0)


class _ErrorEvent(_AtEvent):
    type: Literal["error_event"]
    error_type: str = "overloaded_error"
    message: str = "Overloaded"

    def built(self) -> faults.Failure:
        return faults.ErrorEvent(self.after, self.error_type, self.message, at_event=self.at_event)


class _CutShort(_AtEvent):
    type: Literal["cut_short"]
    bytes_of_next: int = Field(default=0, ge=0)

    def built(self) -> faults.Failure:
        return faults.CutShort(self.after, self.bytes_of_next, at_event=self.at_event)


class _Dropped(_AtEvent):
    type: Literal["dropped"]
    bytes_of_next: int = Field(default=0, ge=0)

    def built(self) -> faults.Failure:
        return faults.Dropped(self.after, self.bytes_of_next, at_event=self.at_event)


class _Malformed(_AtEvent):
    type: Literal["malformed"]
    data: str = faults.BROKEN_EVENT.decode()

    def built(self) -> faults.Failure:
        return faults.Malformed(self.after, self.data.encode(), at_event=self.at_event)


class _Stalled(_AtEvent):
    type: Literal["stalled"]
    for_ms: float | None = Field(default=None, ge=0)
    ping_interval_ms: int | None = Field(default=None, gt=0)

    def built(self) -> faults.Failure:
        return faults.Stalled(
            self.after,
            ping_interval_ms=self.ping_interval_ms,
            for_ms=self.for_ms,
            at_event=self.at_event,
        )


_Part = Annotated[_Thinking | _Text | _ToolUse | _Block, Discriminator("type")]
_Failure = Annotated[
    _StatusError | _ErrorEvent | _CutShort | _Dropped | _Malformed | _Stalled,
    Discriminator("type"),
]


class _Reply(_Written):
    parts: list[_Part] = []
    stop_reason: str | None = None
    delay_ms: float = Field(default=0, ge=0)
    delta_interval_ms: float | None = Field(default=None, ge=0)
    failure: _Failure | None = None
    usage: dict[str, Any] | None = None
    refusal: str | None = "The stand-in was told to refuse."

    def built(self, folder: Path) -> list[script.Turn]:
        reply = script.Reply(
            parts=[part.built() for part in self.parts],
            stop_reason=self.stop_reason,
            delay_ms=self.delay_ms,
            delta_interval_ms=self.delta_interval_ms,
            failure=self.failure and self.failure.built(),
            usage=self.usage,
            refusal=self.refusal,
        )
        return [reply]


class _Replay(_Written):
    replay: str
    event_interval_ms: float | None = Field(default=None, ge=0)
    delay_ms: float = Field(default=0, ge=0)
    failure: _Failure | None = None

    def built(self, folder: Path) -> list[script.Turn]:
        return [
            Replay(
                found.data,
                self.event_interval_ms,
                self.delay_ms,
                self.failure and self.failure.built(),
                found.name,
            )
            for found in load_replays(folder / self.replay)
        ]


def _kind(value: object) -> str:
    return "replay" if isinstance(value, dict) and "replay" in value else "reply"


class _File(_Written):
    turns: list[
        Annotated[
            Annotated[_Reply, Tag("reply")] | Annotated[_Replay, Tag("replay")],
            Discriminator(_kind),
        ]
    ]
    loop: bool = False
