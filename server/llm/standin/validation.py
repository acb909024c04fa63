"""What Claude's API refuses, refused here in the same way, so that tests meet it before users do.

Pure: a request goes in, and a `Refusal` is raised or not. Wordings follow the real ones; nobody
should match on them, there or here.

Source: https://platform.claude.com/docs/en/api/messages
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from server.llm.models import KNOWN_MODELS, Model
from server.llm.standin.refusal import Refusal
from server.llm.standin.signature import blocks_of, is_authentic, sign

__all__ = ["check_body", "check_headers", "key_of"]

_PARAMETERS = {
    "cache_control", "container", "diagnostics", "inference_geo", "max_tokens", "messages",
    "metadata", "model", "output_config", "service_tier", "speed", "stop_sequences", "stream",
    "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
}  # fmt: skip
_SAMPLING = ("temperature", "top_p", "top_k")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_BUDGET_TOKENS_MIN = 1_024


def key_of(headers: Mapping[str, str]) -> str:
    """The key of a request, from either header that may carry it; empty if there is none."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return (value.strip() if scheme.lower() == "bearer" else "") or headers.get("x-api-key", "")


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse a request without a key or a version.

    Raises:
        Refusal: 401 or 400.
    """
    if not key_of(headers):
        raise Refusal(401, "authentication_error", "x-api-key header is required")
    if not headers.get("anthropic-version"):
        raise Refusal.invalid("anthropic-version: header is required")


def check_body(body: Mapping[str, Any], *, is_paused: bool) -> Model:
    """Refuse what the model of this request would not take, else return the model.

    Args:
        body: The request.
        is_paused: Whether its last message is a turn that ended in ``pause_turn``, unchanged; such
            a turn alone may come last from the assistant.

    Raises:
        Refusal: 400 or 404.
    """
    for name in sorted(body.keys() - _PARAMETERS):
        raise Refusal.invalid(f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages", "max_tokens"):
        if name not in body:
            raise Refusal.invalid(f"{name}: Field required")
    model = KNOWN_MODELS.get(str(body["model"]))
    if model is None:
        raise Refusal(404, "not_found_error", f"model: {body['model']}")
    _check_max_tokens(body["max_tokens"], model)
    _check_options(body, model)
    _check_tools(body)
    messages = _messages(body["messages"])
    _check_tool_pairs(messages)
    _check_thinking_blocks(messages, model)
    if messages[-1]["role"] == "assistant" and not (model.is_prefillable or is_paused):
        raise Refusal.invalid(
            "This model does not support assistant message prefill. The conversation must end "
            "with a user message."
        )
    return model


def _check_max_tokens(value: object, model: Model) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal.invalid("max_tokens: Input should be a valid integer")
    if value < 1:
        raise Refusal.invalid("max_tokens: Input should be greater than or equal to 1")
    if value > model.output_tokens_max:
        raise Refusal.invalid(
            f"max_tokens: {value} > {model.output_tokens_max}, which is the maximum allowed number "
            f"of output tokens for {model.name}"
        )


def _check_options(body: Mapping[str, Any], model: Model) -> None:
    for name in _SAMPLING:
        if name in body and not model.is_samplable:
            raise Refusal.invalid(f"{name}: is not supported by {model.name}")
    if not isinstance(body.get("stream", False), bool):
        raise Refusal.invalid("stream: Input should be a valid boolean")
    match body.get("thinking"):
        case None:
            pass
        case {"type": "adaptive"} if model.thinking == "adaptive":
            pass
        case {"type": "between_tools" | "disabled" as off} if off == model.thinking_off:
            pass
        case {"type": "disabled"} if model.thinking == "budget":
            pass
        case {"type": "enabled", "budget_tokens": int(budget)} if model.thinking == "budget":
            if budget < _BUDGET_TOKENS_MIN:
                raise Refusal.invalid(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to "
                    f"{_BUDGET_TOKENS_MIN}"
                )
            if budget >= body["max_tokens"]:
                raise Refusal.invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
        case {"type": str(kind)}:
            raise Refusal.invalid(f'"thinking.type.{kind}" is not supported for this model.')
        case _:
            raise Refusal.invalid("thinking.type: Field required")


def _check_tools(body: Mapping[str, Any]) -> None:
    tools: object = body.get("tools") or []
    if not isinstance(tools, list):
        raise Refusal.invalid("tools: Input should be a valid array")
    seen: set[str] = set()
    for position, tool in enumerate(cast("list[Any]", tools)):
        match tool:
            case {"name": str(name), "input_schema": {"type": "object"}}:
                if not _TOOL_NAME.fullmatch(name):
                    raise Refusal.invalid(
                        f"tools.{position}.custom.name: String should match pattern "
                        f"'^{_TOOL_NAME.pattern}$'"
                    )
                if name in seen:
                    raise Refusal.invalid("tools: Tool names must be unique.")
                seen.add(name)
            case _:
                raise Refusal.invalid(
                    f"tools.{position}: a name, and an input_schema of type object, are required"
                )


def _messages(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise Refusal.invalid("messages: Input should be a valid array")
    messages = cast("list[Any]", value)
    if not messages:
        raise Refusal.invalid("messages: at least one message is required")
    for position, message in enumerate(messages):
        match message:
            case {"role": "user" | "assistant", "content": str(text)} if text.strip():
                pass
            case {"role": "user" | "assistant", "content": [_, *_]}:
                _check_blocks(position, message)
            case {"role": "user" | "assistant"}:
                raise Refusal.invalid(f"messages.{position}: all messages must have content")
            case _:
                raise Refusal.invalid(
                    f"messages.{position}.role: Input should be 'user' or 'assistant'"
                )
    if messages[0]["role"] != "user":
        raise Refusal.invalid('messages: first message must use the "user" role')
    return messages


def _check_blocks(position: int, message: dict[str, Any]) -> None:
    for index, block in enumerate(cast("list[Any]", message["content"])):
        where = f"messages.{position}.content.{index}"
        match block:
            case {"type": "text", "text": str(text)}:
                if not text.strip():
                    raise Refusal.invalid("messages: text content blocks must be non-empty")
            case {"type": "tool_use", "id": str(), "name": str(), "input": dict()}:
                pass
            case {"type": "tool_result", "tool_use_id": str()}:
                pass
            case {"type": "thinking", "thinking": str(), "signature": str()}:
                pass
            case {"type": "text" | "tool_use" | "tool_result" | "thinking" as kind}:
                raise Refusal.invalid(f"{where}.{kind}: a field is missing or of the wrong type")
            case {"type": str()}:
                pass
            case _:
                raise Refusal.invalid(f"{where}.type: Field required")


def _check_tool_pairs(messages: Sequence[Mapping[str, Any]]) -> None:
    asked: list[str] = []
    for position, message in enumerate(messages):
        blocks = blocks_of(message)
        answered = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        for tool_use_id in answered:
            if tool_use_id not in asked or message["role"] != "user":
                raise Refusal.invalid(
                    f"messages.{position}.content: unexpected `tool_use_id` found in `tool_result` "
                    f"blocks: {tool_use_id}. Each `tool_result` block must have a corresponding "
                    "`tool_use` block in the previous message."
                )
        if missing := [each for each in asked if each not in answered]:
            raise _unanswered(position - 1, missing)
        asked = [b["id"] for b in blocks if b["type"] == "tool_use"]
    if asked:
        raise _unanswered(len(messages) - 1, asked)


def _unanswered(position: int, ids: list[str]) -> Refusal:
    return Refusal.invalid(
        f"messages.{position}: `tool_use` ids were found without `tool_result` blocks immediately "
        f"after: {', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` "
        "block in the next message."
    )


def _check_thinking_blocks(messages: Sequence[Mapping[str, Any]], model: Model) -> None:
    for position, message in enumerate(messages):
        blocks = blocks_of(message)
        for index, block in enumerate(blocks):
            if block["type"] != "thinking":
                continue
            expected = sign(model.name, messages[:position], blocks[:index], block["thinking"])
            if not is_authentic(block["signature"], expected, binds_past=model.binds_thinking):
                raise Refusal.invalid(
                    f"messages.{position}.content.{index}: Invalid `signature` in `thinking` block"
                )
