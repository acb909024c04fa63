"""The small set: a user, a task, their conversation."""

from schemas.chat_messages import ChatMessage, Role, TextPart, Usage
from schemas.document import Document
from schemas.tasks import Task
from schemas.users import User

__all__ = ["TASK_ID", "demo"]

TASK_ID = "5eed00000000000000000000"
CONVERSATION: list[tuple[Role, str]] = [
    ("user", "Why do rivers meander?"),
    (
        "assistant",
        "Because **small bends grow**. Water runs faster along the outside of a bend and slower "
        "along the inside:\n\n"
        "1. Outside, it cuts into the bank.\n"
        "2. Inside, it drops the silt it carries.\n\n"
        "So each bend feeds itself, until the river cuts through its neck and leaves an "
        "*oxbow lake* behind.",
    ),
    ("user", "How wide does a bend become?"),
    (
        "assistant",
        "There is a rule of thumb, the same for a brook and for the Mississippi: the radius of a "
        "bend is two to three times the river's width.\n\n"
        "```python\n"
        "def radius_m(width_m: float) -> float:\n"
        "    return 2.3 * width_m\n"
        "```",
    ),
]


def demo() -> list[Document]:
    """The documents, with ids that are always the same."""
    user = User(id="demo", name="Demo", email="demo@example.com")
    task = Task(
        id=TASK_ID, title="Why rivers meander", user_id=user.id, next_sequence=len(CONVERSATION)
    )
    return [user, task, *(_message(*line) for line in enumerate(CONVERSATION))]


def _message(sequence: int, line: tuple[Role, str]) -> ChatMessage:
    role, text = line
    message = ChatMessage(
        id=f"{TASK_ID[:-2]}{sequence + 1:02x}",
        task_id=TASK_ID,
        role=role,
        sequence=sequence,
        status="COMPLETED",
        parts=[TextPart(text=text)],
    )
    if role == "assistant":
        message.model, message.finish_reason = "claude-sonnet-5-5", "end_turn"
        read, written = 12 * (sequence + 1), len(text) // 4
        message.usage = Usage(
            prompt_tokens=read, completion_tokens=written, total_tokens=read + written
        )
    return message
