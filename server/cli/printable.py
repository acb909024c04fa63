"""Words for a terminal."""

__all__ = ["counted", "printable"]


def printable(text: str) -> str:
    """`text` without what a terminal would obey."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def counted(count: int, noun: str) -> str:
    """So many of them."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
