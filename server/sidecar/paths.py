"""Paths inside of the directory, as somebody else writes them."""

from server.sidecar import limits

__all__ = ["Refused", "parts_of", "shown"]


class Refused(Exception):
    """What was asked cannot be done; the message is for Claude."""


def parts_of(path: str) -> list[str]:
    """The names on the way to `path`; empty for the directory itself.

    Raises:
        Refused: It is absolute, leads upwards, or is no path.
    """
    if "\0" in path:
        raise Refused("A path cannot contain NUL.")
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise Refused("The path is no text.") from None
    if length > limits.PATH_BYTES_MAX:
        raise Refused(f"The path has {length} bytes; the limit is {limits.PATH_BYTES_MAX}.")
    if path.startswith("/"):
        raise Refused(f"{path!r} is absolute; write it relative to the workspace.")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refused(f"{path!r} leads upwards; '..' is not allowed.")
    return parts


def shown(name: str) -> str:
    r"""A name of the file system as text: bytes that are not UTF-8 as ``\xff``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
