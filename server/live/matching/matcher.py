"""A filter of MongoDB's language, compiled to a predicate over stored documents.

What this does not compile is not guessed: the matcher says that MongoDB must be asked about a
document, or `compile_filter` raises `NotCompiled`, and the query is run again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from server.live.keys import Key
from server.live.matching.conditions import compile_document
from server.live.matching.named_paths import filter_paths, unbounded
from server.live.matching.terms import Range, terms_of
from server.live.ordering import NotCompiled

__all__ = ["Matcher", "compile_filter"]

_CODEC: Final = CodecOptions[dict[str, Any]](
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


@dataclass(frozen=True)
class Matcher:
    """A compiled filter.

    Attributes:
        matches: Whether a stored document matches. False is certain; where there is `asks`, True
            means that MongoDB must be asked about this document.
        roots: The top-level fields that the answer depends on.
        equalities: Path to the keys of the values of which the path must hold one, itself or as
            an element; every match satisfies all of them, so any one can serve to route changes.
        ranges: Path to a range of keys: the path holds a value from its low end on, and one up to
            its high end, which in an array may be two elements.
        asks: Why MongoDB must be asked, or None.
    """

    matches: Callable[[Mapping[str, Any]], bool]
    roots: frozenset[str]
    equalities: Mapping[str, frozenset[Key]]
    ranges: Mapping[str, Range]
    asks: str | None = None


def compile_filter(query: Mapping[str, Any]) -> Matcher:
    """Compile `query`.

    Raises:
        NotCompiled: It depends on more than one document, or MongoDB refuses it.
    """
    stored = _stored(query)
    beyond = unbounded(stored)
    if beyond is not None:
        raise NotCompiled(f"it depends on {beyond}")
    try:
        check = compile_document(stored)
    except RecursionError:
        raise NotCompiled("MongoDB refuses a filter that is nested so deeply") from None
    terms = terms_of(stored)
    roots = frozenset(path.partition(".")[0] for path in filter_paths(stored))
    return Matcher(check.holds, roots, terms.equalities, terms.ranges, check.asks)


def _stored(query: Mapping[str, Any]) -> dict[str, Any]:
    """The filter as MongoDB gets it: values of Python's own have become those of BSON."""
    try:
        return bson.decode(bson.encode(query, codec_options=_CODEC), _CODEC)
    except (BSONError, TypeError, ValueError, OverflowError, RecursionError) as error:
        # Its text would repeat the value, which may be a secret.
        raise NotCompiled(f"it is not BSON ({type(error).__name__})") from error
