"""From one value to the next by a patch, sharing what did not change.

Values are never modified. What a patch does not touch is the same object before and after, so
that ``is`` tells a reader what to look at again. A patch that does not fit raises and has no
effect: the value that it was made for is not the one that is held.

Source: RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer), and our own ``append``.
"""

import re
from typing import Any, cast

__all__ = ["PatchError", "apply_patch"]

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_TILDE = re.compile(r"~(?![01])")


class PatchError(ValueError):
    """A patch that is malformed, or does not fit the value."""


def apply_patch(value: Any, patch: object) -> Any:
    """The value after `patch`, a list of operations; `value` itself where nothing changed.

    Raises:
        PatchError: An operation is malformed or does not fit.
    """
    if not isinstance(patch, list):
        raise PatchError("A patch is a list of operations.")
    editing = _Editing(value)
    for operation in cast("list[object]", patch):
        if not isinstance(operation, dict):
            raise PatchError("An operation is an object.")
        editing.apply(cast("dict[str, object]", operation))
    return editing.root[0]


class _Editing:
    """One patch at work. What it has copied once is its own, and changed in place after that."""

    def __init__(self, value: Any) -> None:
        self.root: list[Any] = [value]
        self._own: dict[int, Any] = {id(self.root): self.root}

    def apply(self, operation: dict[str, Any]) -> None:
        op, path = operation.get("op"), operation.get("path")
        keys = _keys(path)
        match op:
            case "add":
                self._add(keys, _value(operation))
            case "remove":
                self._take(keys)
            case "replace":
                container, key = self._place(keys)
                _read(container, key)
                container[key] = _value(operation)
            case "append":
                container, key = self._place(keys)
                container[key] = _extended(_read(container, key), _value(operation))
            case "move":
                source = _keys(operation.get("from"))
                if keys[: len(source)] == source and keys != source:
                    raise PatchError(f"A value cannot move into itself: {path!r:.100}.")
                self._add(keys, self._take(source))
            case _:
                raise PatchError(f"There is no operation {op!r:.100}.")

    def _place(self, keys: list[str]) -> tuple[Any, Any]:
        """The container of what `keys` lead to, as our own, and its key there."""
        container: Any = self.root
        key: Any = 0
        for name in keys:
            child = _read(container, key)
            if not isinstance(child, dict | list):
                raise PatchError(f"The path leads through no container at {name!r:.100}.")
            child = cast("dict[str, Any] | list[Any]", child)
            if id(child) not in self._own:
                child = child.copy()
                self._own[id(child)] = child
                container[key] = child
            container, key = child, _key(child, name)
        return container, key

    def _add(self, keys: list[str], value: Any) -> None:
        container, key = self._place(keys)
        if isinstance(container, dict) or container is self.root:
            container[key] = value
        elif key > len(container):
            raise PatchError(f"The index {key} lies outside of the list.")
        else:
            container.insert(key, value)

    def _take(self, keys: list[str]) -> Any:
        if not keys:
            raise PatchError("The whole value cannot be removed.")
        container, key = self._place(keys)
        _read(container, key)
        return container.pop(key)


def _keys(pointer: object) -> list[str]:
    if not isinstance(pointer, str) or (pointer and pointer[0] != "/"):
        raise PatchError(f"{pointer!r:.100} is no JSON pointer.")
    if "~" not in pointer:
        return pointer.split("/")[1:]
    if _TILDE.search(pointer):
        raise PatchError(f"{pointer!r:.100} escapes something other than ~0 and ~1.")
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def _key(container: dict[str, Any] | list[Any], name: str) -> str | int:
    if isinstance(container, dict):
        return name
    if name == "-":
        return len(container)
    if _INDEX.fullmatch(name) is None:
        raise PatchError(f"{name!r:.100} is no index.")
    return int(name)


def _read(container: Any, key: Any) -> Any:
    try:
        return container[key]
    except LookupError:
        raise PatchError(f"The path leads nowhere at {key!r:.100}.") from None


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchError("The operation has no value.")
    return operation["value"]


def _extended(text: Any, addition: Any) -> str:
    if not isinstance(text, str) or not isinstance(addition, str):
        raise PatchError("Only text can be appended, and to text.")
    return text + addition
