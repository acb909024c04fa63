"""Tasks that were removed, while what belonged to them is still being deleted."""

from schemas.document import Document

__all__ = ["TaskRemoval"]


class TaskRemoval(Document, collection="taskRemovals", indexes=[("open", "createdAt")]):
    """One removed task, by its ``_id``; no function shows it to clients."""

    open: bool
    """Whether rows of it may be left. Later ones can only come of writes begun before."""
