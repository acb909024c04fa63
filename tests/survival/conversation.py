"""What Claude says in one conversation, wherever it is cut: answered by what it is asked.

The reply has two steps. The first thinks, says something and calls two tools at once; the second
answers with their results. A conversation that goes on after a cut is answered as Claude would.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from server.llm.standin import Reply, Text, Thinking, ToolUse
from server.llm.standin.faults import Failure
from server.llm.standin.wire import Answer

__all__ = ["EVENTS", "NEXT", "TOOLS", "Conversation", "Conversations", "Shown", "shown", "shown_of"]

TOOLS = ("look_up", "charge")
NEXT = "And what is next?"


def opening(name: str, begin: str = "I shall ") -> Reply:
    """The first step."""
    return Reply(
        [
            Thinking(["Hm, ", "well."]),
            Text([begin, "look it up ", "and charge. "]),
            *(ToolUse(tool, {"of": name}, deltas=['{"of": ', f'"{name}"}}']) for tool in TOOLS),
        ]
    )


def closing() -> Reply:
    """The second step."""
    return Reply([Text(["It is ", "all ", "done."])])


def _wire(reply: Reply) -> list[dict[str, Any]]:
    body = {"thinking": {"type": "adaptive", "display": "summarized"}, "messages": []}
    answer = Answer("msg_any", "claude-sonnet-5-5", reply, body)
    return [event.data for event in answer.events()]


EVENTS = {1: len(_wire(opening("any"))), 2: len(_wire(closing()))}
"""How many events each step has on the wire."""

Shown = list[tuple[str, str, bool]]
"""Of each part: its type, its text, and of a call whether its arguments are complete."""


def shown(name: str, step: int, event: int) -> Shown:
    """What a reader has been shown when `event` of `step` is about to come."""
    if step == 1:
        return _told(_wire(opening(name))[:event])
    return [
        *shown(name, 1, EVENTS[1]),
        *(("tool-result", "", False) for _ in TOOLS),
        *_told(_wire(closing())[:event]),
    ]


def _told(events: Iterable[dict[str, Any]]) -> Shown:
    parts: list[list[Any]] = []
    for event in events:
        match event:
            case {"type": "content_block_start", "content_block": {"type": kind}}:
                names = {"thinking": "reasoning", "tool_use": "tool-call"}
                parts.append([names.get(kind, kind), "", False])
            case {"type": "content_block_delta", "delta": delta}:
                for field_ in ("thinking", "text", "partial_json"):
                    parts[-1][1] += delta.get(field_, "")
            case {"type": "content_block_stop"}:
                parts[-1][2] = parts[-1][0] == "tool-call"
            case _:
                pass
    return [(kind, text, whole) for kind, text, whole in parts if text or kind == "tool-call"]


def shown_of(message: dict[str, Any]) -> Shown:
    """The same of a message; parts with nothing in them are not seen."""
    told: Shown = []
    for part in message["parts"]:
        text = part.get("text") or part.get("argsText") or ""
        if text or part["type"].startswith("tool-"):
            told.append((part["type"], text, "args" in part))
    return told


@dataclass
class Conversation:
    """One conversation, and how its reply is meddled with.

    Attributes:
        name: Its name, which all its prompts hold.
        meddle: Gives the failure of the next reply of a step; None lets it pass.
        task: Its task.
        message: Its reply.
        delta_interval_ms: How fast Claude speaks.
        steps: Of which step each request asked for the reply, in order.
    """

    name: str
    meddle: Callable[[int], Failure | None] = lambda _: None
    task: str = ""
    message: str = ""
    delta_interval_ms: float = 0
    steps: list[int] = field(default_factory=list[int])

    def answer(self, body: dict[str, Any]) -> Reply:
        """What Claude says to this request."""
        turns: list[dict[str, Any]] = body["messages"]
        blocks = [block for turn in turns for block in turn["content"]]
        called = any(block["type"] == "tool_use" for block in blocks)
        if any(block.get("text", "").endswith(NEXT) for block in blocks):
            return Reply([Text(["Nothing."])])
        if called:
            step, reply = 2, closing()
        elif len(turns) > 1:
            step, reply = 1, opening(self.name, "As I said, I shall ")
        else:
            step, reply = 1, opening(self.name)
        self.steps.append(step)
        return Reply(
            reply.parts, delta_interval_ms=self.delta_interval_ms, failure=self.meddle(step)
        )


class Conversations:
    """All conversations with one stand-in; `respond` is its script's."""

    def __init__(self) -> None:
        self.by_name: dict[str, Conversation] = {}

    def add(self, conversation: Conversation) -> None:
        self.by_name[conversation.name] = conversation

    def respond(self, body: dict[str, Any]) -> Reply:
        prompt: str = body["messages"][0]["content"][0]["text"]
        return self.by_name[prompt.split(":")[0]].answer(body)
