"""A task's messages, as the turns of a conversation that Claude is sent."""

from collections.abc import Iterable

from schemas.chat_messages import ChatMessage, TextPart
from server.llm import ChatTurn

__all__ = ["conversation_turns"]


def conversation_turns(messages: Iterable[ChatMessage]) -> list[ChatTurn]:
    """The turns of `messages`, oldest first.

    A reply that was cut short goes along with the text it has, one without text is left out;
    turns of one role that follow one another become one, and the first is the user's.
    """
    turns: list[ChatTurn] = []
    for message in messages:
        text = "\n\n".join(part.text for part in message.parts if isinstance(part, TextPart))
        if not text.strip() or message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not turns and role == "assistant":
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1] = {"role": role, "content": f"{turns[-1]['content']}\n\n{text}"}
        else:
            turns.append({"role": role, "content": text})
    return turns
