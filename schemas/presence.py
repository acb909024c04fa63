"""Who is in a task, and what they are doing there."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from schemas.document import Document, Internal, Part
from schemas.reference import Ref
from schemas.tasks import TaskId

__all__ = ["Cursor", "Presence", "PresenceActivity", "PresenceId", "Selection"]

PresenceId = Annotated[str, Ref("presence")]

PresenceActivity = Literal["viewing", "typing", "editing-file", "running-command", "idle"]

Coordinate = Annotated[FiniteFloat, Field(ge=-1e9, le=1e9)]
Offset = Annotated[int, Field(ge=0, le=2**53)]


class Cursor(Part):
    """Where somebody points."""

    x: Coordinate
    y: Coordinate


class Selection(Part):
    """What somebody has selected: from `start` to before `end`, of a file where it is one."""

    start: Offset
    end: Offset
    file_path: Annotated[str, Field(max_length=4_096)] | None = None


class Presence(
    Document,
    collection="presence",
    indexes=[("taskId", "createdAt"), ("present", "lastSeenAt")],
):
    """One person in one task, however many tabs they have it open in.

    Its `id` is made of the task's and the person's, so that there is one. `created_at` is when
    they came, `last_seen_at` when the last of their tabs was heard of.
    """

    task_id: TaskId
    user_id: str
    user_name: str
    user_image: str | None = None
    activity: PresenceActivity = "viewing"
    cursor: Cursor | None = None
    selection: Selection | None = None
    last_seen_at: datetime
    tabs: Annotated[dict[str, datetime], Internal()] = Field(default_factory=dict)
    """When each tab was last heard of, by a digest of its name."""
    present: Annotated[bool, Internal()] = False
    """Whether their joining has been recorded, and their leaving has not."""
