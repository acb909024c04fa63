"""Text that others wrote, as a terminal may be given it."""

__all__ = ["printable"]


def printable(text: str) -> str:
    """`text` without what a terminal would obey."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)
