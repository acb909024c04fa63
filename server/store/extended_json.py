"""A document as one line of MongoDB's Extended JSON, and back, byte for byte.

Canonical Extended JSON names the type of every value, but a few documents it cannot carry: those
with types that MongoDB gave up (undefined, symbol, DBPointer), with two fields of one name, with
text that is no UTF-8, with the odd bits of a NaN, or with a part that looks like Extended JSON
itself (``{"$date": "soon"}``). So each line is read back as it is written, and where the bytes
differ the line is the document's BSON, ``{"$bson": base64}``, which only we read.

Source: the specification of MongoDB Extended JSON, version 2.
"""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any, cast

import bson
from bson import json_util
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from bson.json_util import JSONMode, JSONOptions
from bson.raw_bson import RawBSONDocument

__all__ = ["RAW", "Unreadable", "from_line", "line_of", "relaxed", "to_line"]

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="replace",  # a look into one may not fail; the bytes stay
)
"""Documents as the bytes that MongoDB keeps."""

_EXACT: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
)
_CANONICAL, _RELAXED = (
    JSONOptions(
        json_mode=mode,
        tz_aware=True,
        datetime_conversion=conversion,
        uuid_representation=UuidRepresentation.UNSPECIFIED,
    )
    for mode, conversion in (
        (JSONMode.CANONICAL, DatetimeConversion.DATETIME_MS),
        (JSONMode.RELAXED, DatetimeConversion.DATETIME_AUTO),
    )
)
_BSON = "$bson"


class Unreadable(ValueError):
    """A line that is no document; the message says why, and quotes nothing of it."""


def to_line(document: RawBSONDocument) -> tuple[str, bool]:
    """`document` as a line without its end, and whether it is plain Extended JSON."""
    try:
        line = json_util.dumps(bson.decode(document.raw, _EXACT), json_options=_CANONICAL)
        if from_line(line).raw == document.raw:
            return line, True
    except (BSONError, ValueError, TypeError, RecursionError):
        pass  # it cannot be said so
    return json.dumps({_BSON: base64.b64encode(document.raw).decode()}), False


def line_of(document: dict[str, Any]) -> str:
    """A document that MongoDB does not have yet, as a line.

    Raises:
        Unreadable: BSON cannot hold it.
    """
    return to_line(_encoded(document))[0]


def relaxed(document: Mapping[str, Any]) -> str:
    """`document` for people and `jq`: numbers are numbers, dates are read; types may be lost."""
    return json_util.dumps(document, json_options=_RELAXED, ensure_ascii=False)


def from_line(line: str | bytes) -> RawBSONDocument:
    """The document that `line` says, in Extended JSON of either kind.

    Raises:
        Unreadable: It is not JSON, not an object, or has what BSON cannot hold.
    """
    try:
        parsed: Any = json.loads(
            line, object_pairs_hook=_read, parse_constant=_no_constant, parse_float=_float
        )
    except Unreadable:
        raise
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is no JSON: {error.msg} at column {error.colno}") from None
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    except RecursionError:
        raise Unreadable("it is nested too deep") from None
    except (BSONError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise Unreadable(f"a value is not what its $type says ({type(error).__name__})") from None
    if not isinstance(parsed, dict):
        raise Unreadable("it is no JSON object")
    return _encoded(cast("dict[str, Any]", parsed))


def _encoded(parsed: dict[str, Any]) -> RawBSONDocument:
    try:
        if parsed.keys() == {_BSON}:
            raw = base64.b64decode(parsed[_BSON], validate=True)
            document = RawBSONDocument(raw, RAW)
            document.keys()  # only now is it taken apart, and found broken where it is
            return document
        return RawBSONDocument(bson.encode(parsed, codec_options=_EXACT), RAW)
    except RecursionError:
        raise Unreadable("it is nested too deep") from None
    except (BSONError, ValueError, TypeError, OverflowError) as error:
        raise Unreadable(f"BSON cannot hold it ({type(error).__name__})") from None


def _read(pairs: list[tuple[str, Any]]) -> Any:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Unreadable("an object has two fields of one name")
    return json_util.object_pairs_hook(pairs, _CANONICAL)


def _float(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise Unreadable("a number is beyond what a double can hold")
    return value


def _no_constant(name: str) -> Any:
    raise Unreadable(f'{name} is no JSON; write {{"$numberDouble": "{name}"}}')
