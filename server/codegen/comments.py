"""Docstrings as JSDoc comments."""

import re

__all__ = ["commented"]

_SECTION = re.compile(r"(?:\A|\n\s*)\n?[A-Z][a-z]+(?: [a-z]+)*:[ \t]*\n[ \t]+\S")
"""Where a docstring stops to speak to all readers: at ``Args:``, ``Raises:``, ``Attributes:``."""


def commented(text: str, indent: str, *tags: str) -> str:
    """`text` and `tags` as a comment of whole lines; nothing where there is none.

    Args:
        text: A docstring, of which sections are left out; those speak of Python's names.
        indent: Before each line.
        tags: Lines such as ``@default 50``, at the end.
    """
    section = _SECTION.search(text)
    words = (text[: section.start()] if section else text).strip().replace("``", "`")
    lines = [line.strip() for line in [*words.splitlines(), *tags]]
    lines = [line.replace("*/", "*\\/") for line in lines]
    match lines:
        case []:
            return ""
        case [line] if len(indent) + len(line) <= 93:
            return f"{indent}/** {line} */\n"
        case _:
            body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
            return f"{indent}/**\n{body}{indent} */\n"
