"""What is asked of Claude, before it is fitted to a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from server.llm.models import DEFAULT_MODEL, OUTPUT_TOKENS_DEFAULT, Model

__all__ = ["ChatRequest", "ChatTool", "ChatTurn", "parameters"]


class ChatTurn(TypedDict):
    """One turn of the conversation, in the API's own form."""

    role: Literal["user", "assistant"]
    content: str | Sequence[dict[str, Any]]
    """Plain text, or content blocks; the blocks of an earlier reply go back verbatim."""


class ChatTool(TypedDict):
    """A tool that the model may call, in the API's own form."""

    name: str
    description: str
    input_schema: dict[str, Any]
    """JSON Schema of the input, an object."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request for a reply."""

    messages: Sequence[ChatTurn]
    """Oldest first; the last one is the user's (a tool's results are a user's turn)."""
    model: str = DEFAULT_MODEL
    system: str | None = None
    max_tokens: int | None = None
    """Output tokens at most, thinking included; None is the default for the model."""
    thinking: bool = True
    """Whether the reply shows summarised thinking, where the model can."""
    tools: Sequence[ChatTool] = ()
    cache: bool = False
    """Whether the service keeps the prompt for the next request, which will begin with it."""


_CACHED = {"type": "ephemeral"}


def parameters(request: ChatRequest, model: Model) -> dict[str, Any]:
    """The body of the API call: only what `model` accepts, and nothing that is not set."""
    max_tokens = request.max_tokens or min(OUTPUT_TOKENS_DEFAULT, model.output_tokens_max)
    body: dict[str, Any] = {
        "model": model.name,
        "max_tokens": max_tokens,
        "messages": list(request.messages),
    }
    if request.system:
        body["system"] = _system(request.system) if request.cache else request.system
    if request.tools:
        body["tools"] = list(request.tools)
    if request.cache:
        body["cache_control"] = _CACHED  # at the end of whatever is last
    thinking = model.thinking_parameter(wanted=request.thinking, max_tokens=max_tokens)
    if thinking is not None:
        body["thinking"] = thinking
    return body


def _system(text: str) -> list[dict[str, Any]]:
    """A system prompt that is kept by itself, for the conversations that share it and the tools."""
    return [{"type": "text", "text": text, "cache_control": _CACHED}]
