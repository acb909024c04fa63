"""What Claude's API refuses in a conversation: turns, tool calls without results, thinking.

Pure. Consecutive messages of one role are one turn, as they are to the service; so it takes two
messages of the user in a row, and a tool's results may come in several.

Source: https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from server.llm.models import KNOWN_MODELS, Model
from server.llm.standin.issued import Issued
from server.llm.standin.refusal import Refusal
from server.llm.standin.signature import THINKING, Prefix, blocks_of, is_by

__all__ = ["check_conversation", "is_text", "thinking_of"]

_MESSAGES_MAX = 100_000
_FIELDS = {
    "text": {"type", "text", "cache_control", "citations"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller", "toolset_name"},
    "tool_result": {
        "type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name",
    },
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}  # fmt: skip
_OTHER_KINDS = {
    "bash_code_execution_tool_result", "code_execution_tool_result", "container_upload",
    "document", "image", "search_result", "server_tool_use",
    "text_editor_code_execution_tool_result", "tool_search_tool_result", "web_fetch_tool_result",
    "web_search_tool_result",
}  # fmt: skip
_RESULT_KINDS = {"text", "image", "document", "search_result", "tool_reference"}
_ROLE_OF = {
    "tool_result": "user",
    "tool_use": "assistant",
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "server_tool_use": "assistant",
}


@dataclass(slots=True)
class _Turn:
    role: str
    last: int
    """The last of its messages."""
    blocks: list[tuple[str, dict[str, Any]]] = field(default_factory=list[Any])
    """Each with where it stands in the request."""

    def of(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        return (each for each in self.blocks if each[1]["type"] == kind)


def check_conversation(body: Mapping[str, Any], model: Model, issued: Issued) -> None:
    """Refuse messages that the model would not take.

    Raises:
        Refusal: 400.
    """
    messages = _messages(body["messages"], issued)
    turns = _turns(messages)
    _check_tool_pairs(turns)
    _check_signatures(body, model, issued)
    _check_tool_loop(body, turns, issued)
    if turns[-1].role == "assistant" and not (model.is_prefillable or issued.is_paused(messages)):
        raise Refusal.invalid(
            "This model does not support assistant message prefill. The conversation must end "
            "with a user message."
        )


def is_text(value: object) -> bool:
    """Whether `value` is a text that the service takes: not empty, not all blank."""
    return isinstance(value, str) and bool(value.strip())


def thinking_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """How the request wants the model to think; empty if it does not say."""
    return body.get("thinking") or {}


def _messages(value: object, issued: Issued) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise Refusal.invalid("messages: Input should be a valid array")
    messages = cast("list[Any]", value)
    if not messages:
        raise Refusal.invalid("messages: at least one message is required")
    if len(messages) > _MESSAGES_MAX:
        raise Refusal.invalid(f"messages: at most {_MESSAGES_MAX} messages are allowed")
    for position, message in enumerate(messages):
        where = f"messages.{position}"
        match message:
            case {"role": "user" | "assistant", "content": str(text)} if text.strip():
                pass
            case {"role": "user" | "assistant" as role, "content": [_, *_] as blocks}:
                for index, block in enumerate(cast("list[Any]", blocks)):
                    _check_block(f"{where}.content.{index}", role, block, issued)
            case {"role": "user" | "assistant"}:
                raise Refusal.invalid(f"{where}: all messages must have non-empty content")
            case _:
                raise Refusal.invalid(f"{where}.role: Input should be 'user' or 'assistant'")
        for name in sorted(message.keys() - {"role", "content"}):
            raise Refusal.invalid(f"{where}.{name}: Extra inputs are not permitted")
    if messages[0]["role"] != "user":
        raise Refusal.invalid('messages: first message must use the "user" role')
    return messages


def _check_block(where: str, role: str, block: Any, issued: Issued) -> None:
    match block:
        case {"type": "text", "text": str(text)}:
            if not text.strip():
                raise Refusal.invalid("messages: text content blocks must be non-empty")
        case {"type": "tool_use", "id": str(), "name": str(), "input": dict()}:
            pass
        case {"type": "tool_result", "tool_use_id": str()}:
            _check_result(where, block)
        case {"type": "thinking", "thinking": str(), "signature": str()}:
            pass
        case {"type": "redacted_thinking", "data": data}:
            if not issued.knows_redacted(data):
                raise Refusal.invalid(f"{where}: Invalid `data` in `redacted_thinking` block")
        case {"type": str(kind)} if kind in _FIELDS:
            raise Refusal.invalid(f"{where}.{kind}: a field is missing or of the wrong type")
        case {"type": str(kind)}:
            if kind not in _OTHER_KINDS and not issued.knows(kind):
                raise Refusal.invalid(
                    f"{where}: Input tag '{kind}' found using 'type' does not match any of the "
                    "expected tags"
                )
        case _:
            raise Refusal.invalid(f"{where}.type: Field required")
    kind = block["type"]
    for name in sorted(block.keys() - _FIELDS.get(kind, block.keys())):
        raise Refusal.invalid(f"{where}.{kind}.{name}: Extra inputs are not permitted")
    if _ROLE_OF.get(kind, role) != role:
        raise Refusal.invalid(
            f"{where}: `{kind}` blocks can only be in `{_ROLE_OF[kind]}` messages"
        )


def _check_result(where: str, block: dict[str, Any]) -> None:
    content: object = block.get("content")
    if not isinstance(block.get("is_error", False), bool):
        raise Refusal.invalid(f"{where}.tool_result.is_error: Input should be a valid boolean")
    if block.get("is_error") and not content:
        raise Refusal.invalid(f"{where}.tool_result: content cannot be empty if `is_error` is true")
    if content is None or isinstance(content, str):
        return
    for inner in cast("list[Any]", content) if isinstance(content, list) else [None]:
        match inner:
            case {"type": "text"}:
                if not is_text(inner.get("text")):
                    raise Refusal.invalid("messages: text content blocks must be non-empty")
            case {"type": str(kind)} if kind in _RESULT_KINDS:
                pass
            case _:
                raise Refusal.invalid(
                    f"{where}.tool_result.content: Input should be a valid string or a list of "
                    "content blocks"
                )


def _turns(messages: Sequence[Mapping[str, Any]]) -> list[_Turn]:
    turns: list[_Turn] = []
    for position, message in enumerate(messages):
        if not turns or turns[-1].role != message["role"]:
            turns.append(_Turn(message["role"], position))
        turns[-1].last = position
        turns[-1].blocks += [
            (f"messages.{position}.content.{index}", block)
            for index, block in enumerate(blocks_of(message))
        ]
    return turns


def _check_tool_pairs(turns: Sequence[_Turn]) -> None:
    calls: list[str] = []
    seen: set[str] = set()
    for before, turn in zip([None, *turns], turns, strict=False):
        results = [block["tool_use_id"] for _, block in turn.of("tool_result")]
        for where, block in turn.of("tool_result"):
            if block["tool_use_id"] not in calls:
                raise Refusal.invalid(
                    f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding "
                    "`tool_use` block in the previous message."
                )
            if results.count(block["tool_use_id"]) > 1:
                raise Refusal.invalid(
                    f"{where}: each tool_use must have a single result. Found multiple "
                    f"`tool_result` blocks with id: {block['tool_use_id']}"
                )
        first = [b["tool_use_id"] for _, b in turn.blocks[: len(results)] if "tool_use_id" in b]
        if before is not None and (missing := [call for call in calls if call not in first]):
            raise _unanswered(before, missing)
        calls = []
        for where, block in turn.of("tool_use"):
            if block["id"] in seen:
                raise Refusal.invalid(f"{where}: `tool_use` ids must be unique")
            seen.add(block["id"])
            calls.append(block["id"])
    if calls:
        raise _unanswered(turns[-1], calls)


def _unanswered(turn: _Turn, ids: list[str]) -> Refusal:
    return Refusal.invalid(
        f"messages.{turn.last}: `tool_use` ids were found without `tool_result` blocks immediately "
        f"after: {', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` "
        "block in the next message."
    )


def _check_signatures(body: Mapping[str, Any], model: Model, issued: Issued) -> None:
    binding: dict[str, Any] = thinking_of(body).get("block_binding") or {}
    is_bound = model.binds_thinking and binding.get("prefix_mismatch_behavior") != "drop_block"
    prefix = Prefix(body)
    for position, message in enumerate(body["messages"]):
        for index, sent in enumerate(blocks_of(message)):
            block = issued.ours(sent)
            if block["type"] != "thinking":
                prefix.say(message["role"], block)
                continue
            where = f"messages.{position}.content.{index}"
            signature, text = block["signature"], block["thinking"]
            if not is_by(model.name, signature, text):
                if any(is_by(name, signature, text) for name in KNOWN_MODELS):
                    continue  # what another model thought is left aside
                raise Refusal.invalid(f"{where}: Invalid `signature` in `thinking` block")
            if is_bound and not prefix.allows(signature):
                raise Refusal.invalid(
                    f"{where}: Invalid `signature` in `thinking` block. The block is bound to a "
                    "different conversation. Remove the block, or set "
                    '`thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
                )
            prefix.think(signature)


def _check_tool_loop(body: Mapping[str, Any], turns: Sequence[_Turn], issued: Issued) -> None:
    """Refuse a loop of tool calls, still open at the end, that lacks the thinking it came with."""
    thinking = thinking_of(body).get("type")
    if thinking in {"disabled", "between_tools"}:
        return
    for position in range(len(turns) - 1, 0, -2):
        asked, answered = turns[position - 1], turns[position]
        if answered.role != "user" or not any(answered.of("tool_result")):
            return
        where, first = asked.blocks[0]
        if thinking == "enabled" and first["type"] not in THINKING:
            raise Refusal.invalid(
                f"{where}.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{first['type']}`. When `thinking` is enabled, a final `assistant` message must "
                "start with a thinking block."
            )
        before: list[str] = []
        for where, block in asked.blocks:
            if block["type"] == "thinking":
                before.append(block["signature"])
            elif block["type"] == "tool_use" and not issued.is_thinking_kept(block["id"], before):
                raise Refusal.invalid(
                    f"{where}: `thinking` or `redacted_thinking` blocks in the latest assistant "
                    "message cannot be modified. These blocks must remain as they were in the "
                    "original response."
                )
