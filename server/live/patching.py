"""The difference of two shown values, as operations of a patch.

Values that grew from one another share what did not change, and what is shared is skipped at a
glance; so the cost follows the change.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from schemas.wire.patch import Operation, escape
from server.live.text import ChunkText

__all__ = ["diff", "diff_fields", "merge"]

_TEXTS = (str, ChunkText)


def diff(old: Any, new: Any, path: str = "") -> list[Operation]:
    """The operations that turn `old` into `new`; none where they are equal."""
    operations: list[Operation] = []
    _diff(old, new, path, operations)
    return operations


def diff_fields(
    old: dict[str, Any], new: dict[str, Any], names: Iterable[str], path: str
) -> list[Operation]:
    """The same for two objects that differ at most in the fields `names`."""
    operations: list[Operation] = []
    for name in names:
        if name not in new:
            if name in old:
                operations.append(_remove(f"{path}/{escape(name)}"))
        elif name not in old:
            operations.append(_add(f"{path}/{escape(name)}", new[name]))
        elif old[name] is not new[name]:
            _diff(old[name], new[name], f"{path}/{escape(name)}", operations)
    return operations


def _diff(old: Any, new: Any, path: str, out: list[Operation]) -> None:
    if old is new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        _diff_objects(cast("dict[str, Any]", old), cast("dict[str, Any]", new), path, out)
    elif isinstance(old, list) and isinstance(new, list):
        _diff_lists(cast("list[Any]", old), cast("list[Any]", new), path, out)
    elif isinstance(new, _TEXTS) and isinstance(old, _TEXTS):
        _diff_texts(old, new, path, out)
    elif not _same_scalar(cast("object", old), cast("object", new)):
        out.append({"op": "replace", "path": path, "value": new})


def _same_scalar(old: object, new: object) -> bool:
    """Equal in JSON, where true is not 1 and 1 is not 1.0's text."""
    return type(old) is type(new) and old == new


def _diff_texts(
    old: ChunkText | str, new: ChunkText | str, path: str, out: list[Operation]
) -> None:
    if isinstance(old, ChunkText) and isinstance(new, ChunkText):
        grown = new.grown_from(old)
    else:
        text, prefix = str(new), str(old)
        grown = text[len(prefix) :] if text.startswith(prefix) else None
    if grown is None:
        out.append({"op": "replace", "path": path, "value": new})
    elif grown:
        out.append({"op": "append", "path": path, "value": grown})


def _diff_objects(
    old: dict[str, Any], new: dict[str, Any], path: str, out: list[Operation]
) -> None:
    out.extend(_remove(f"{path}/{escape(name)}") for name in old if name not in new)
    for name, value in new.items():
        if name not in old:
            out.append(_add(f"{path}/{escape(name)}", value))
        elif old[name] is not value:
            _diff(old[name], value, f"{path}/{escape(name)}", out)


def _diff_lists(old: list[Any], new: list[Any], path: str, out: list[Operation]) -> None:
    if _keyed(old) and _keyed(new):
        _diff_documents(old, new, path, out)
        return
    both = min(len(old), len(new))
    for index in range(both):
        _diff(old[index], new[index], f"{path}/{index}", out)
    out.extend(_remove(f"{path}/{index}") for index in range(len(old) - 1, both - 1, -1))
    out.extend(_add(f"{path}/{index}", new[index]) for index in range(both, len(new)))


def _keyed(values: list[Any]) -> bool:
    """Whether these are documents, each with an ``_id`` of its own."""
    if not all(isinstance(value, dict) and isinstance(value.get("_id"), str) for value in values):
        return False
    return len({value["_id"] for value in values}) == len(values)


def _diff_documents(old: list[Any], new: list[Any], path: str, out: list[Operation]) -> None:
    """Documents are followed by their ids: one that moved is moved, not written anew."""
    wanted = {document["_id"]: document for document in new}
    order: list[Any] = []
    for index in range(len(old) - 1, -1, -1):
        if old[index]["_id"] in wanted:
            order.append(old[index])
        else:
            out.append(_remove(f"{path}/{index}"))
    order.reverse()
    present = {document["_id"] for document in order}
    for index, document in enumerate(new):
        if document["_id"] not in present:
            out.append(_add(f"{path}/{index}", document))
            order.insert(index, document)
            continue
        if order[index]["_id"] != document["_id"]:
            at = next(i for i in range(index, len(order)) if order[i]["_id"] == document["_id"])
            out.append({"op": "move", "from": f"{path}/{at}", "path": f"{path}/{index}"})
            order.insert(index, order.pop(at))
        _diff(order[index], document, f"{path}/{index}", out)


def _add(path: str, value: Any) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _remove(path: str) -> Operation:
    return {"op": "remove", "path": path}


def merge(operations: Iterable[Operation]) -> list[Operation]:
    """Fewer operations with the same effect, for a reader who missed several steps.

    What is appended to one text is appended at once, and of several values that one place was
    given the last remains. An operation that moves others' paths ends what can be merged.
    """
    merged: list[Operation] = []
    latest: dict[str, Operation] = {}
    above: set[str] = set()
    for operation in operations:
        path = operation["path"]
        kind = operation["op"]
        if kind not in ("append", "replace") or path in above or _has_above(path, latest):
            latest.clear()
            above.clear()
        known = latest.get(path)
        if known is not None and kind == "replace":
            known["op"], known["value"] = "replace", operation.get("value")
        elif known is not None and isinstance(known.get("value"), str):
            known["value"] = known.get("value", "") + operation.get("value", "")
        else:
            own = operation.copy()
            merged.append(own)
            if kind in ("append", "replace"):
                latest[path] = own
                above.update(_above(path))
    return merged


def _above(path: str) -> Iterator[str]:
    """The paths of what contains the value at `path`."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _has_above(path: str, latest: Mapping[str, Any]) -> bool:
    return any(one in latest for one in _above(path))
