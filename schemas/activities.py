"""What people did in a task."""

from datetime import datetime
from typing import Any

from schemas.document import Document, Index
from schemas.tasks import TaskId

__all__ = ["ACTIVITY_DAYS", "Activity"]

ACTIVITY_DAYS = 30
"""How long one is kept."""


class Activity(
    Document,
    collection="activities",
    indexes=[
        ("taskId", "timestamp"),
        Index(("timestamp",), expire_after_seconds=ACTIVITY_DAYS * 24 * 3600),
    ],
):
    """One thing that somebody did.

    `activity_type` is ``user-joined`` and ``user-left``, which are recorded by themselves,
    ``file-opened``, ``file-saved``, or whatever a caller names.
    """

    task_id: TaskId
    user_id: str
    activity_type: str
    metadata: dict[str, Any] | None = None
    timestamp: datetime
