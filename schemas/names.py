"""How a Python field is called in the database, as on the wire: camelCase, and `id` as `_id`."""

__all__ = ["stored_name"]


def stored_name(name: str) -> str:
    """``task_id`` becomes ``taskId``, ``id`` becomes ``_id``."""
    if name == "id":
        return "_id"
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)
