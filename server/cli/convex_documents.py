"""What becomes of Convex's documents.

A document keeps its ``_id``, so that what refers to it still does; ``_creationTime`` becomes
`createdAt` where there is none. Fields that a table does not have stay stored, and are not shown.
What was under way when the export was made has been interrupted.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import ValidationError

from schemas.activities import Activity
from schemas.agent_tools import AgentTool
from schemas.chat_messages import ChatMessage
from schemas.document import Document
from schemas.file_changes import FileChange
from schemas.presence import Presence
from schemas.tasks import Task
from schemas.terminal_output import TerminalOutput
from schemas.tool_logs import ToolLog
from schemas.workspace_status import WorkspaceStatus

__all__ = ["LEFT_OUT", "Unfit", "convert_document", "first_free_sequence"]

Json = dict[str, Any]

LEFT_OUT: dict[type[Document], str] = {
    Presence: "who is there says so again within 30 seconds",
    WorkspaceStatus: "a workspace says again within 10 seconds how it is",
    TerminalOutput: "a terminal begins empty",
}
"""Tables of the application that are not taken over, and why."""

INTERRUPTED = "It was under way when the data was moved."


class Unfit(ValueError):
    """A document that does not fit its table; the message says which fields, not their values."""


def convert_document(document: Json, table: type[Document] | None, next_sequence: int) -> Json:
    """A document as it is stored here.

    Args:
        document: As Convex exports it.
        table: The table that it goes into; None where nobody has declared it.
        next_sequence: Of a task, what `first_free_sequence` says.

    Raises:
        Unfit: It does not fit the table.
    """
    said = {name: _whole(value) for name, value in document.items()}
    created = said.pop("_creationTime", None)
    said.setdefault("createdAt", created)
    said.setdefault("updatedAt", said["createdAt"])
    if table is None:
        return {**said, **{name: _date(said[name]) for name in ("createdAt", "updatedAt")}}
    for known, reshape in _RESHAPED.items():
        if issubclass(table, known):
            reshape(said)
    if issubclass(table, Task):
        said["nextSequence"] = next_sequence
    try:
        read = table.model_validate(said)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3]
        )
        raise Unfit(f"it does not fit the table: {problems}") from None
    return {**said, **read.stored()}


def first_free_sequence(known: int, message: Mapping[str, Any]) -> int:
    """What a task's next message takes, after `known` and a message of it."""
    sequence = message.get("sequence")
    return max(known, int(sequence) + 1) if isinstance(sequence, int | float) else known


def _whole(value: Any) -> Any:
    """Numbers without a fraction as integers; Convex has doubles only."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in cast("Json", value).items()}
    return value


def _date(milliseconds: Any) -> Any:
    if isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool):
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    return milliseconds


def _rename(said: Json, old: str, new: str) -> None:
    if old in said:
        said.setdefault(new, said.pop(old))


def _parsed(text: object) -> Any:
    """What a field of JSON says; None where it is none."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return None


# --- the application's tables as they were -------------------------------------------------------


def _task(said: Json) -> None:
    ended = ("COMPLETED", "ARCHIVED")
    said["status"] = said["status"] if said.get("status") in ended else "ACTIVE"


def _message(said: Json) -> None:
    role = str(said.get("role", "")).lower()
    ended = {"pending": "INTERRUPTED", "streaming": "INTERRUPTED", "failed": "FAILED"}
    status = ended.get(str(said.get("status")).lower(), said.get("status"))
    said["role"] = role
    said["status"] = status if role == "assistant" and status in ended.values() else "COMPLETED"
    said["parts"] = _parts(said.pop("content", ""), _parsed(said.pop("metadataJson", None)))
    _rename(said, "llmModel", "model")
    _rename(said, "promptMessageId", "askedBy")
    tokens = ("promptTokens", "completionTokens", "totalTokens")
    usage = {name: said.pop(name) for name in tokens if name in said}
    if usage:
        said["usage"] = usage


def _parts(content: str, metadata: Any) -> list[Json]:
    """The parts that a message's metadata lists; its text where they have none."""
    listed: Any = cast("Json", metadata).get("parts") if isinstance(metadata, dict) else None
    found = cast("list[Any]", listed) if isinstance(listed, list) else []
    parts = [part for one in found if isinstance(one, dict) for part in _part(cast("Json", one))]
    if content and not any(part["type"] == "text" for part in parts):
        parts.append({"type": "text", "text": content})
    return parts


def _part(part: Json) -> list[Json]:
    match part:
        case {"type": "text" | "reasoning" as kind, "text": str(text)}:
            return [{"type": kind, "text": text}]
        case {"type": "tool-call", "toolCallId": str(id_), "toolName": str(name)}:
            args = part.get("args", part.get("input"))
            said: Json = {}
            if isinstance(args, dict):
                said = {"argsText": json.dumps(args), "args": args}
            return [{"type": "tool-call", "toolCallId": id_, "toolName": name, **said}]
        case {"type": "tool-result", "toolCallId": str(id_)}:
            result = part.get("result", part.get("output"))
            failed = bool(part.get("isError", False))
            return [{"type": "tool-result", "toolCallId": id_, "result": result, "isError": failed}]
        case _:
            return []


def _call(said: Json) -> None:
    if said.get("status") in ("PENDING", "RUNNING"):
        said["status"] = "FAILED"
        said["error"] = {"code": "interrupted", "message": INTERRUPTED}
    elif isinstance(said.get("error"), str):
        said["error"] = {"code": "failed", "message": said["error"]}
    if not isinstance(said.get("args"), dict):
        said["args"] = {"value": said.get("args")}


def _change(said: Json) -> None:
    _rename(said, "filePath", "path")
    _rename(said, "operation", "changeType")


def _log(said: Json) -> None:
    _rename(said, "argsJson", "input")
    _rename(said, "resultJson", "output")
    if said.get("status") == "RUNNING":
        said["status"], said["error"] = "FAILED", INTERRUPTED


def _activity(said: Json) -> None:
    if "metadata" in said:
        metadata = _parsed(said["metadata"])
        said["metadata"] = metadata if isinstance(metadata, dict) else {"value": said["metadata"]}


_RESHAPED: dict[type[Document], Callable[[Json], None]] = {
    Task: _task,
    ChatMessage: _message,
    AgentTool: _call,
    FileChange: _change,
    ToolLog: _log,
    Activity: _activity,
}
