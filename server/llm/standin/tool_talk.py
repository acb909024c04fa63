"""The stand-in's own use of tools: calls of those that a prompt mentions, answers to results.

Pure and deterministic.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from server.llm.standin.arguments import arguments_for
from server.llm.standin.script import ToolUse
from server.llm.standin.signature import blocks_of

__all__ = ["answer", "calls"]

_QUOTED_CHARS_MAX = 400
_PROMPT_CHARS_MAX = 10_000
_CALLS_MAX = 4
_VERBS = {
    "add", "ask", "call", "check", "compute", "create", "do", "fetch", "find", "get", "list",
    "load", "look", "lookup", "make", "query", "read", "run", "search", "set", "show", "tool", "up",
    "write",
}  # fmt: skip
_ASKS = re.compile(r"\b(?:use|call|run|try|invoke)\b.{0,40}?\b(?P<which>tools?)\b", re.I | re.S)


def calls(body: Mapping[str, Any], prompt: str) -> list[ToolUse]:
    """The calls that the request `body` asks for, with arguments that fit; often none."""
    prompt = prompt[:_PROMPT_CHARS_MAX]
    tools: list[Mapping[str, Any]] = [t for t in body.get("tools") or () if "input_schema" in t]
    choice: Mapping[str, Any] = body.get("tool_choice") or {"type": "auto"}
    match choice:
        case {"type": "none"}:
            return []
        case {"type": "tool", "name": name}:
            wanted = [tool for tool in tools if tool["name"] == name]
        case {"type": kind}:
            wanted = _mentioned(tools, prompt)
            if not wanted and (asked := _ASKS.search(prompt)):
                wanted = tools[: len(asked["which"]) - len("tool") + 1]
            if not wanted and kind == "any":
                wanted = tools[:1]
        case _:
            wanted = []
    count = 1 if choice.get("disable_parallel_tool_use") else _CALLS_MAX
    return [
        ToolUse(tool["name"], arguments_for(tool["input_schema"], _without(prompt, tool["name"])))
        for tool in wanted[:count]
    ]


def answer(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """What to say to the results that the conversation ends with; None if it does not."""
    results = [b for b in blocks_of(messages[-1]) if b.get("type") == "tool_result"]
    if not results:
        return None
    names = {
        block["id"]: block["name"]
        for message in messages
        for block in blocks_of(message)
        if block.get("type") == "tool_use"
    }
    lines = [
        f"- `{names.get(result['tool_use_id'], 'the tool')}` "
        f"{'failed' if result.get('is_error') else 'says'}: {_quoted(result.get('content'))}"
        for result in results
    ]
    said = "\n".join(lines)
    whole = "This is what came back:" if len(lines) > 1 else "Here is what came back:"
    return f"{whole}\n\n{said}\n\n{_ENDINGS[any(r.get('is_error') for r in results)]}"


_ENDINGS = (
    "Taken by itself that settles the question as far as I can see it from here.",
    "Not everything worked, so take the rest with some care; asking again may help.",
)


def _mentioned(tools: Sequence[Mapping[str, Any]], prompt: str) -> list[Mapping[str, Any]]:
    """The tools whose names the prompt says, wholly or by what tells them apart, in its order."""
    found = [(at, tool) for tool in tools if (at := _place(tool["name"], prompt)) is not None]
    return [tool for _, tool in sorted(found, key=lambda each: each[0])]


def _place(name: str, prompt: str) -> int | None:
    whole = re.search(_spelling(name), prompt, re.I)
    if whole is not None:
        return whole.start()
    telling = [word for word in _words(name) if word not in _VERBS]
    places = [re.search(rf"\b{re.escape(word)}s?\b", prompt, re.I) for word in telling]
    return min((place.start() for place in places if place), default=None) if all(places) else None


def _spelling(name: str) -> str:
    words = r"[\s_-]*".join(map(re.escape, _words(name)))
    return rf"(?<!\w){words}(?!\w)"


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)] or [
        name
    ]


def _without(prompt: str, name: str) -> str:
    """The prompt without the tool's name, which is no argument of it."""
    prompt = re.sub(_spelling(name), " ", prompt, flags=re.I)
    for word in _words(name):
        prompt = re.sub(rf"\b{re.escape(word)}s?\b", " ", prompt, flags=re.I)
    return prompt


def _quoted(content: object) -> str:
    said = " ".join(" ".join(_texts(content)).split()) or "nothing"
    return said if len(said) <= _QUOTED_CHARS_MAX else said[:_QUOTED_CHARS_MAX] + "…"


def _texts(content: object) -> Iterator[str]:
    for block in blocks_of({"content": content}):
        yield str(block["text"]) if "text" in block else orjson.dumps(block).decode()
