"""What Claude's API refuses, refused here in the same way, so that tests meet it before users do.

Pure: a request goes in, and a `Refusal` is raised or not. Wordings follow the real ones; nobody
should match on them, there or here.

Source: https://platform.claude.com/docs/en/api/messages
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from server.llm.models import KNOWN_MODELS, Model
from server.llm.standin.caching import breakpoints_of
from server.llm.standin.conversation import check_conversation, is_text, thinking_of
from server.llm.standin.issued import Issued
from server.llm.standin.refusal import Refusal

__all__ = ["check_body", "check_headers", "key_of"]

_PARAMETERS = {
    "cache_control", "container", "diagnostics", "inference_geo", "max_tokens", "messages",
    "metadata", "model", "output_config", "service_tier", "speed", "stop_sequences", "stream",
    "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
}  # fmt: skip
_SAMPLING = ("temperature", "top_p", "top_k")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_PROPERTY_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_BUDGET_TOKENS_MIN = 1_024
_BREAKPOINTS_MAX = 4
_TOOL_FIELDS = {
    "allowed_callers", "cache_control", "defer_loading", "description", "eager_input_streaming",
    "input_examples", "input_schema", "name", "strict", "type",
}  # fmt: skip
_THINKING_FIELDS = {
    "adaptive": {"type", "display", "block_binding"},
    "between_tools": {"type", "block_binding"},
    "disabled": {"type"},
    "enabled": {"type", "budget_tokens", "display", "block_binding"},
}
_SERVER_TOOL = re.compile(r"[a-z_]+_20\d{6}")  # web_search_20250305: its schema is the service's


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


def check_body(body: Mapping[str, Any], issued: Issued | None = None) -> Model:
    """Refuse what the model of this request would not take, else return the model.

    Args:
        body: The request.
        issued: What was said before; a turn that ended in ``pause_turn``, unchanged, is the one
            turn of the assistant that may come last.

    Raises:
        Refusal: 400 or 404.
    """
    _check_fields("", body, _PARAMETERS)
    for name in ("model", "messages", "max_tokens"):
        if name not in body:
            raise Refusal.invalid(f"{name}: Field required")
    model = KNOWN_MODELS.get(str(body["model"]))
    if model is None:
        raise Refusal(404, "not_found_error", f"model: {body['model']}")
    _check_max_tokens(body["max_tokens"], model)
    _check_options(body)
    _check_thinking(body, model)
    _check_system(body.get("system"))
    _check_tools(body)
    _check_tool_choice(body, model)
    check_conversation(body, model, issued or Issued())
    _check_breakpoints(body)
    for name in _SAMPLING:
        if name in body and not model.is_samplable:
            raise Refusal.invalid(f"{name}: is not supported by {model.name}")
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


def _check_options(body: Mapping[str, Any]) -> None:
    if not isinstance(body.get("stream", False), bool):
        raise Refusal.invalid("stream: Input should be a valid boolean")
    for name in ("metadata", "output_config"):
        if not isinstance(body.get(name, {}), dict):
            raise Refusal.invalid(f"{name}: Input should be an object")
    _check_fields("metadata.", body.get("metadata", {}), {"user_id"})
    stops: object = body.get("stop_sequences", [])
    if not isinstance(stops, list):
        raise Refusal.invalid("stop_sequences: Input should be a valid array")
    for position, stop in enumerate(cast("list[object]", stops)):
        if not is_text(stop):
            raise Refusal.invalid(
                f"stop_sequences.{position}: each stop sequence must contain non-whitespace"
            )


def _check_thinking(body: Mapping[str, Any], model: Model) -> None:
    match body.get("thinking"):
        case None:
            return
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
    kind = body["thinking"]["type"]
    _check_fields(f"thinking.{kind}.", body["thinking"], _THINKING_FIELDS[kind])
    if body["thinking"].get("display") not in {None, "summarized", "omitted"}:
        raise Refusal.invalid(f"thinking.{kind}.display: Input should be 'summarized' or 'omitted'")


def _check_system(system: object) -> None:
    match system:
        case None | str():
            pass
        case list():
            for position, block in enumerate(cast("list[object]", system)):
                match block:
                    case {"type": "text", "text": str()}:
                        _check_system_text(f"system.{position}.", cast("dict[str, Any]", block))
                    case _:
                        raise Refusal.invalid(f"system.{position}: Input should be a text block")
        case _:
            raise Refusal.invalid("system: Input should be a valid string or array")


def _check_system_text(where: str, block: Mapping[str, Any]) -> None:
    if not is_text(block["text"]):
        raise Refusal.invalid("system: text content blocks must be non-empty")
    _check_fields(where, block, {"type", "text", "cache_control", "citations"})


def _check_tools(body: Mapping[str, Any]) -> None:
    tools: object = body.get("tools", [])
    if not isinstance(tools, list):
        raise Refusal.invalid("tools: Input should be a valid array")
    seen: set[str] = set()
    for position, tool in enumerate(cast("list[Any]", tools)):
        where = f"tools.{position}"
        match tool:
            case {"type": str(kind), "name": str(name)} if _SERVER_TOOL.fullmatch(kind):
                pass
            case {"name": str(name), "input_schema": {"type": "object"}}:
                _check_custom_tool(f"{where}.custom", tool)
            case _:
                raise Refusal.invalid(
                    f"{where}: a name, and an input_schema of type object, are required"
                )
        if name in seen:
            raise Refusal.invalid("tools: Tool names must be unique.")
        seen.add(name)


def _check_custom_tool(where: str, tool: Mapping[str, Any]) -> None:
    _check_fields(f"{where}.", tool, _TOOL_FIELDS)
    if tool.get("type") not in {None, "custom"}:
        raise Refusal.invalid(f"{where}.type: Input should be 'custom'")
    if not _TOOL_NAME.fullmatch(tool["name"]):
        raise Refusal.invalid(f"{where}.name: String should match pattern '^{_TOOL_NAME.pattern}$'")
    if not isinstance(tool.get("description", ""), str):
        raise Refusal.invalid(f"{where}.description: Input should be a valid string")
    schema: dict[str, Any] = tool["input_schema"]
    for name in ("anyOf", "allOf", "oneOf"):
        if name in schema:
            raise Refusal.invalid(
                f"{where}.input_schema: input_schema does not support oneOf, allOf, or anyOf at "
                "the top level"
            )
    properties: object = {} if schema.get("properties") is None else schema["properties"]
    required: object = [] if schema.get("required") is None else schema["required"]
    is_schema = (
        isinstance(properties, dict)
        and all(
            isinstance(each, dict | bool) for each in cast("dict[str, Any]", properties).values()
        )
        and isinstance(required, list)
        and all(isinstance(each, str) for each in cast("list[object]", required))
    )
    if not is_schema:
        raise Refusal.invalid(
            f"{where}.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"
        )
    for name in cast("dict[str, Any]", properties):
        if not _PROPERTY_NAME.fullmatch(name):
            raise Refusal.invalid(
                f"{where}.input_schema.properties: Property keys should match pattern "
                f"'^{_PROPERTY_NAME.pattern}$'"
            )


def _check_tool_choice(body: Mapping[str, Any], model: Model) -> None:
    choice: object = body.get("tool_choice")
    if choice is None:
        return
    match choice:
        case {"type": "auto" | "any" | "none"} | {"type": "tool", "name": str()}:
            fields = cast("dict[str, Any]", choice)
            _check_fields("tool_choice.", fields, {"type", "name", "disable_parallel_tool_use"})
        case _:
            raise Refusal.invalid(
                "tool_choice.type: Input should be 'auto', 'any', 'none' or 'tool'"
            )
    if fields["type"] == "none":
        return
    tools = [tool["name"] for tool in body.get("tools") or ()]
    if not tools:
        raise Refusal.invalid("tool_choice: may only be specified while providing `tools`")
    if fields["type"] == "tool" and fields["name"] not in tools:
        raise Refusal.invalid(f"Tool '{fields['name']}' not found in provided tools")
    thinking = thinking_of(body).get("type")
    is_thinking = thinking == "enabled" or (model.thinking == "adaptive" and thinking != "disabled")
    if is_thinking and fields["type"] in {"any", "tool"}:
        raise Refusal.invalid("Thinking may not be enabled when tool_choice forces tool use.")


def _check_breakpoints(body: Mapping[str, Any]) -> None:
    found = 0
    has_short = False
    for where, control in breakpoints_of(body):
        found += 1
        match control:
            case {"type": "ephemeral", **rest} if rest.keys() <= {"ttl"} and rest.get("ttl") in {
                None,
                "5m",
                "1h",
            }:
                pass
            case _:
                raise Refusal.invalid(f"{where}.cache_control: Input should be 'ephemeral'")
        if control.get("ttl") == "1h" and has_short and where != "cache_control":
            raise Refusal.invalid(
                f"{where}.cache_control.ttl: a ttl='1h' cache_control block must not come after a "
                "ttl='5m' cache_control block."
            )
        has_short = has_short or control.get("ttl") != "1h"
    if found > _BREAKPOINTS_MAX:
        raise Refusal.invalid(
            f"A maximum of {_BREAKPOINTS_MAX} blocks with cache_control may be provided. "
            f"Found {found}."
        )


def _check_fields(where: str, value: Mapping[str, Any], known: set[str]) -> None:
    for name in sorted(value.keys() - known):
        raise Refusal.invalid(f"{where}{name}: Extra inputs are not permitted")
