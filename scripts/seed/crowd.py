"""The large set: a hundred tasks of forty people, their conversations, and their last day."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from schemas.activities import Activity
from schemas.agent_tools import AgentTool
from schemas.chat_messages import (
    ChatMessage,
    MessagePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from schemas.document import Document
from schemas.file_changes import ChangeType, FileChange
from schemas.presence import Cursor, Presence, PresenceActivity
from schemas.tasks import Task, TaskStatus
from schemas.terminal_output import StreamSizes, TerminalOutput, TerminalPart
from schemas.tool_logs import ToolLog
from schemas.users import User
from schemas.workspace_status import WorkspaceStatus
from scripts.seed.words import FILES, NAMES, SUBJECTS, VERBS, sentences
from server.functions.stays import row_id, tab_key

__all__ = ["TASKS", "crowd"]

TASKS = 100
MESSAGES = 200
"""Of each task."""
RUNS = 8
"""Of commands in each task's workspace, in a day."""
ACTIVITIES = 60
"""Of each task, in a day."""
HERE = 12
"""Tasks in which people are right now."""
DAY = timedelta(days=1)


def crowd(now: datetime, tasks: int = TASKS) -> Iterator[Document]:
    """The documents, with ids that are always the same; their times lead up to `now`."""
    now = now.replace(microsecond=0)
    for number, name in enumerate(NAMES):
        yield User(
            id=_user(number),
            name=name,
            email=f"{name.split()[0].lower()}@example.com",
            created_at=now - timedelta(days=60 + number),
            updated_at=now - timedelta(days=60),
        )
    for number in range(tasks):
        yield from _Scene(number, now).documents()


def _user(number: int) -> str:
    return f"person-{number + 1}"


class _Scene:
    """One task, the people in it, what they said and did."""

    def __init__(self, number: int, now: datetime) -> None:
        self._rng = Random(f"task {number}")
        self._number = number
        self._now = now
        self._id = f"c0de{number:04x}{0:016x}"
        self._people = self._rng.sample(range(len(NAMES)), 5)
        self._begun = now - DAY * self._rng.uniform(1, 30)

    def documents(self) -> Iterator[Document]:
        rng = self._rng
        title = f"{rng.choice(VERBS)} {rng.choice(SUBJECTS)}"
        statuses: list[TaskStatus] = ["ACTIVE", "ACTIVE", "ACTIVE", "COMPLETED", "ARCHIVED"]
        yield Task(
            id=self._id,
            title=title,
            description=sentences(rng, 2),
            status="ACTIVE" if self._number < HERE else rng.choice(statuses),
            user_id=_user(self._people[0]),
            next_sequence=MESSAGES,
            created_at=self._begun,
            updated_at=self._now,
        )
        for sequence in range(MESSAGES):
            yield from self._message(sequence, title)
        yield from self._activities()
        yield from self._work()
        if self._number < HERE:
            yield from self._presence()
            yield WorkspaceStatus(
                id=self._id,
                task_id=self._id,
                status="healthy",
                last_seen_at=self._now,
                host=f"box-{self._number + 1}",
                directory="/workspace",
            )

    def _own_id(self, kind: int, number: int) -> str:
        return f"{self._id[:8]}{kind:08x}{number:08x}"

    def _message(self, sequence: int, title: str) -> Iterator[Document]:
        at = self._begun + (self._now - self._begun) * (sequence / MESSAGES)
        message = ChatMessage(
            id=self._own_id(1, sequence),
            task_id=self._id,
            role="assistant" if sequence % 2 else "user",
            sequence=sequence,
            status="COMPLETED",
            parts=[TextPart(text=_asked(self._rng, title))],
            created_at=at,
            updated_at=at,
        )
        if message.role == "assistant":
            message.asked_by = self._own_id(1, sequence - 1)
            yield from self._answer(message)
        yield message

    def _answer(self, message: ChatMessage) -> Iterator[Document]:
        rng = self._rng
        parts: list[MessagePart] = []
        if rng.random() < 0.3:
            parts.append(ReasoningPart(text=sentences(rng, 2)))
        if rng.random() < 0.15:
            call = self._call(message)
            parts += [
                ToolCallPart(
                    tool_call_id=call.tool_call_id,
                    tool_name=call.tool_name,
                    args_text=f'{{"path": "{call.args["path"]}"}}',
                    args=call.args,
                ),
                ToolResultPart(tool_call_id=call.tool_call_id, result=call.result),
            ]
            yield call
        parts.append(TextPart(text=sentences(rng, rng.randint(2, 8))))
        message.parts = parts
        message.model, message.finish_reason = "claude-sonnet-5-5", "end_turn"
        read, written = rng.randint(200, 20_000), rng.randint(40, 400)
        message.usage = Usage(
            prompt_tokens=read, completion_tokens=written, total_tokens=read + written
        )

    def _call(self, message: ChatMessage) -> AgentTool:
        path = self._rng.choice(FILES)
        return AgentTool(
            id=self._own_id(2, message.sequence),
            message_id=message.id,
            task_id=self._id,
            tool_name="read_file",
            args={"path": path},
            tool_call_id=f"toolu_seed_{self._number}_{message.sequence}",
            status="COMPLETED",
            result=f"{path}: {self._rng.randint(10, 900)} lines",
            created_at=message.created_at,
            updated_at=message.created_at,
            started_at=message.created_at,
            completed_at=message.created_at + timedelta(milliseconds=self._rng.randint(5, 900)),
        )

    def _activities(self) -> Iterator[Document]:
        kinds = ["file-opened", "file-opened", "file-saved", "user-joined", "user-left"]
        for number in range(ACTIVITIES):
            kind = self._rng.choice(kinds)
            person = self._rng.choice(self._people)
            of_file = {"path": self._rng.choice(FILES)} if kind.startswith("file") else {}
            at = self._now - DAY * (1 - number / ACTIVITIES)
            yield Activity(
                id=self._own_id(3, number),
                task_id=self._id,
                user_id=_user(person),
                activity_type=kind,
                metadata={"userName": NAMES[person], **of_file},
                timestamp=at,
                created_at=at,
                updated_at=at,
            )

    def _presence(self) -> Iterator[Document]:
        kinds: list[PresenceActivity] = ["viewing", "typing", "editing-file", "idle"]
        for person in self._people:
            yield Presence(
                id=row_id(self._id, _user(person)),
                task_id=self._id,
                user_id=_user(person),
                user_name=NAMES[person],
                activity=self._rng.choice(kinds),
                cursor=Cursor(x=self._rng.randint(0, 1200), y=self._rng.randint(0, 800)),
                last_seen_at=self._now,
                tabs={tab_key("seed"): self._now},
                present=True,
                created_at=self._now - timedelta(minutes=self._rng.randint(1, 90)),
                updated_at=self._now,
            )

    def _work(self) -> Iterator[Document]:
        """What was done in the workspace in the last day."""
        kinds: list[ChangeType] = ["CREATE", "UPDATE", "UPDATE", "UPDATE", "DELETE"]
        for number in range(RUNS):
            at = self._now - DAY * (1 - number / RUNS)
            path, failed = self._rng.choice(FILES), self._rng.random() < 0.15
            took_ms = self._rng.randint(20, 9_000)
            yield FileChange(
                id=self._own_id(4, number),
                task_id=self._id,
                change_type=self._rng.choice(kinds),
                path=path,
                additions=self._rng.randint(0, 60),
                deletions=self._rng.randint(0, 40),
                created_at=at,
                updated_at=at,
            )
            yield ToolLog(
                id=self._own_id(5, number),
                task_id=self._id,
                tool_name="run_command",
                status="FAILED" if failed else "COMPLETED",
                input=f"pytest {path}",
                error="1 test failed." if failed else None,
                completed_at=at + timedelta(milliseconds=took_ms),
                duration_ms=took_ms,
                created_at=at,
                updated_at=at,
            )
            text = f"$ pytest {path}\n{'F' if failed else '.' * self._rng.randint(3, 40)}\n"
            yield TerminalOutput(
                id=self._own_id(6, number),
                task_id=self._id,
                command_id=self._own_id(5, number),
                sequence=0,
                parts=[TerminalPart(stream="stdout", text=text)],
                ends=StreamSizes(stdout=len(text)),
                appends=1,
                tip_stream="stdout",
                created_at=at,
                updated_at=at,
            )


def _asked(rng: Random, title: str) -> str:
    return f"{rng.choice(VERBS)} {rng.choice(SUBJECTS)}, as part of “{title}”. {sentences(rng, 1)}"
