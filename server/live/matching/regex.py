"""Regular expressions, matched by RE2, whose time is linear in the text.

MongoDB matches with PCRE. `pcre` translates the expressions that mean the same in both; where one
could mean something else, or costs too much, MongoDB is asked.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

import re2
from bson import Regex

from server.core import limits
from server.live.keys import bson_key
from server.live.matching.checks import Check
from server.live.matching.pcre import Untranslatable, to_re2
from server.live.ordering import NotCompiled

__all__ = ["is_regex", "matches_regex", "regex_of"]

_OPTIONS: Final[Mapping[str, re.RegexFlag]] = {
    "i": re.IGNORECASE,
    "m": re.MULTILINE,
    "s": re.DOTALL,
    "u": re.UNICODE,
    "x": re.VERBOSE,
}


def regex_of(condition: Mapping[str, Any]) -> Regex[str]:
    """The regular expression of ``{"$regex": …, "$options": …}``.

    Raises:
        NotCompiled: MongoDB refuses it.
    """
    pattern, options = condition.get("$regex"), condition.get("$options")
    if is_regex(pattern):
        if options is not None and pattern.flags:
            raise NotCompiled("MongoDB refuses options both in a $regex and beside it")
        pattern, flags = str(pattern.pattern), re.RegexFlag(pattern.flags)
    else:
        flags = re.RegexFlag(0)
    if not isinstance(pattern, str) or not isinstance(options, str | None) or "\0" in pattern:
        raise NotCompiled("MongoDB refuses a $regex that is no text")
    for letter in options or "":
        if letter not in _OPTIONS:
            raise NotCompiled(f"MongoDB refuses the option {letter!r} of $regex")
        flags |= _OPTIONS[letter]
    return Regex(pattern, int(flags))


def is_regex(value: Any) -> TypeGuard[Regex[str]]:
    """Whether a value is a regular expression, as PyMongo gives it."""
    return isinstance(value, Regex)


def matches_regex(regex: Regex[Any]) -> Check:
    """Whether a text has a match in it; a regular expression as a value matches if it is equal."""
    key = bson_key(regex)
    if re.LOCALE & regex.flags:
        raise NotCompiled("MongoDB refuses the option 'l' of $regex")

    def equals(value: Any) -> bool:
        return is_regex(value) and bson_key(value) == key

    try:
        search = _compiled(str(regex.pattern), regex.flags).search
    except Untranslatable as error:
        reason = f"the regular expression {regex.pattern!r} is judged by MongoDB: {error}"
        return Check(lambda value: value.__class__ is str or equals(value), reason)

    def holds(value: Any) -> bool:
        if value.__class__ is str:
            return search(value.encode()) is not None
        return equals(value)

    return Check(holds)


def _compiled(pattern: str, flags: int) -> Any:
    """A compiled expression of RE2's.

    Raises:
        Untranslatable: Its meaning in RE2 would be another, or RE2 does not take it.
    """
    options = re2.Options()
    options.max_mem = limits.REGEX_BYTES_MAX
    options.log_errors = False
    options.never_capture = True
    try:
        return re2.compile(to_re2(pattern, flags), options)
    except re2.error:
        raise Untranslatable("RE2 does not take it") from None
