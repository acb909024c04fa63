"""Text stored as a list of chunks, seen as one string.

Growing it is one ``$push``, whose change event carries the new chunk alone, however long the
text. Readers see a string; a plain string in the database is accepted too.
"""

from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["StreamedText", "StreamedTextMarker"]


class StreamedTextMarker:
    """Marks the annotation of a field stored as chunks, so that its shape can be told."""


def _join(value: object) -> object:
    if isinstance(value, list):
        return "".join(str(chunk) for chunk in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def _split(text: str) -> list[str]:
    return [text] if text else []


StreamedText = Annotated[
    str,
    BeforeValidator(_join),
    PlainSerializer(_split, return_type=list[str]),
    WithJsonSchema({"type": "string"}),
    StreamedTextMarker(),
]
"""The type of a field that grows: `str` in Python, a list of chunks in the database."""
