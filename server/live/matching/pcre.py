"""Translates regular expressions of PCRE's, as MongoDB uses it, to RE2's language.

Only what means the same in both passes: no back-references, no look-around, nothing possessive.
MongoDB sets PCRE's UTF-8 mode without Unicode properties, so the classes are ASCII's.

Source: pcrepattern(3); RE2's "Syntax"; each construct was checked against a real mongod by
tests/live/test_regex.py.
"""

import re
from typing import Final

__all__ = ["Untranslatable", "to_re2"]

_NESTING_MAX: Final = 50
_CASE_STABLE: Final = "\u017f"
"""Up to here, upper and lower case are the same in every version of Unicode."""

_SPACE: Final = r"\t\n\x0b\f\r "
_CLASSES: Final = {"d": "0-9", "w": "0-9A-Za-z_", "s": _SPACE}
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
_END: Final = r"\n?\z"
"""PCRE's end of the text is also before a newline that ends it."""

_FLAG_PREFIX: Final = re.compile(r"\(\?([imsx]+)\)")
_COUNTS: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_ALMOST_COUNTS: Final = re.compile(r"\{[\d\s,]*\}")
_HEX: Final = re.compile(r"x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))")
_LETTER_OF: Final = {
    "i": re.IGNORECASE,
    "m": re.MULTILINE,
    "s": re.DOTALL,
    "x": re.VERBOSE,
}


class Untranslatable(Exception):
    """The expression means something that RE2 does not do; the message names it."""


def to_re2(pattern: str, flags: int) -> str:
    """`pattern` in RE2's language.

    Raises:
        Untranslatable: It cannot be said there.
    """
    prefix = _FLAG_PREFIX.match(pattern)
    if prefix is not None:
        for letter in prefix[1]:
            flags |= _LETTER_OF[letter]
        pattern = pattern[prefix.end() :]
    return _Translation(pattern, flags).whole()


class _Translation:
    """One pass over an expression, from left to right."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._pattern = pattern
        self._at = 0
        self._ignores_case = bool(flags & re.IGNORECASE)
        self._multiline = bool(flags & re.MULTILINE)
        self._any = r"(?s:.)" if flags & re.DOTALL else r"[^\n]"
        self._verbose = bool(flags & re.VERBOSE)

    def whole(self) -> str:
        """The whole expression."""
        text, _, _ = self._alternatives(0)
        if self._at < len(self._pattern):
            raise Untranslatable("a parenthesis is not opened")
        return f"(?i:{text})" if self._ignores_case else text

    def _alternatives(self, depth: int) -> tuple[str, int, bool]:
        """Up to a parenthesis: the text, its least length, and whether it can be at an end."""
        if depth > _NESTING_MAX:
            raise Untranslatable("it is nested too deeply")
        texts: list[str] = []
        least: list[int] = []
        ends = False
        while True:
            text, length, at_end = self._sequence(depth)
            texts.append(text)
            least.append(length)
            ends = ends or at_end
            if self._peek() != "|":
                return "|".join(texts), min(least), ends
            self._at += 1

    def _sequence(self, depth: int) -> tuple[str, int, bool]:
        texts: list[str] = []
        least = 0
        ended = line_begins = False
        while True:
            self._skip_blanks()
            following = self._peek()
            if following in ("", "|", ")"):
                break
            if ended:
                raise Untranslatable("something follows an end of the text")
            if following == "^":
                self._at += 1
                self._refuse_repeat()
                line_begins = line_begins or self._multiline
                texts.append("(?m:^)" if self._multiline else r"\A")
                continue
            if following == "$" or self._pattern.startswith(r"\Z", self._at):
                self._at += len(following) if following == "$" else 2
                self._refuse_repeat()
                if following == "$" and self._multiline:
                    texts.append("(?m:$)")
                    continue
                texts.append(_END)
                ended = True
                continue
            text, length, at_end = self._atom(depth)
            repeated, length = self._repeated(text, length)
            if repeated != text and at_end:
                raise Untranslatable("an end of the text is repeated")
            texts.append(repeated)
            ended = at_end
            least += length
            line_begins = line_begins and not length
        if line_begins:  # PCRE sees no line after a newline that ends the text
            raise Untranslatable("an empty line could match")
        return "".join(texts), least, ended

    # --- one piece -----------------------------------------------------------------------------

    def _atom(self, depth: int) -> tuple[str, int, bool]:
        character = self._peek()
        self._at += 1
        match character:
            case "(":
                return self._group(depth)
            case "[":
                return self._class(), 1, False
            case ".":
                return self._any, 1, False
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise Untranslatable("there is nothing to repeat")
            case "{" if _ALMOST_COUNTS.match(self._pattern, self._at - 1):
                raise Untranslatable("it has braces that only some versions take for a quantifier")
            case _:
                return self._literal(character), 1, False

    def _group(self, depth: int) -> tuple[str, int, bool]:
        if self._pattern.startswith("?:", self._at):
            self._at += 2
        elif self._peek() in ("?", "*"):
            raise Untranslatable("it has look-around or another special group")
        text, least, ends = self._alternatives(depth + 1)
        if self._peek() != ")":
            raise Untranslatable("a parenthesis is not closed")
        self._at += 1
        return f"(?:{text})", least, ends

    def _escape(self) -> tuple[str, int, bool]:
        letter = self._peek()
        if letter.lower() in _CLASSES and letter.isascii():
            self._at += 1
            return self._named_class(letter), 1, False
        if letter in ("b", "A", "z"):  # RE2's \B also sees the inside of a character
            self._at += 1
            self._refuse_repeat()
            return f"\\{letter}", 0, False
        return self._literal(self._escaped_character()), 1, False

    def _escaped_character(self) -> str:
        """The one character that an escape stands for."""
        letter = self._peek()
        code = _HEX.match(self._pattern, self._at)
        if code is not None:
            self._at = code.end()
            number = int(code[1] or code[2], 16)
            if number > 0x10FFFF or 0xD800 <= number < 0xE000:
                raise Untranslatable("it names a code point that there is not")
            return chr(number)
        if not letter or (letter.isascii() and letter.isalnum() and letter not in _CONTROLS):
            raise Untranslatable(f"it has \\{letter} in it")
        self._at += 1
        return _CONTROLS.get(letter, letter)

    def _repeated(self, text: str, length: int) -> tuple[str, int]:
        """The piece with the quantifier that follows it."""
        self._skip_blanks()
        counts = _COUNTS.match(self._pattern, self._at)
        if counts is not None:
            quantifier, least = counts[0], int(counts[1])
        else:
            quantifier = self._peek()
            if quantifier not in ("*", "+", "?") or not quantifier:
                return text, length
            least = int(quantifier == "+")
        self._at += len(quantifier)
        blanks = self._at
        self._skip_blanks()
        if self._peek() in ("?", "+") and (self._peek() == "+" or self._at > blanks):
            raise Untranslatable("it has a possessive quantifier")
        if self._peek() == "?":
            self._at += 1
        self._refuse_repeat()
        return f"(?:{text}){quantifier}", length * least

    def _refuse_repeat(self) -> None:
        self._skip_blanks()
        if self._peek() in ("*", "+", "?") and self._peek():
            raise Untranslatable("a quantifier is repeated, or follows no character")
        if _COUNTS.match(self._pattern, self._at):
            raise Untranslatable("a quantifier is repeated, or follows no character")

    # --- classes -------------------------------------------------------------------------------

    def _class(self) -> str:
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[str] = []
        classes: list[str] = []
        first = True
        while self._peek() != "]" or first:
            first = False
            if self._peek() == "[" and self._pattern[self._at + 1 : self._at + 2] in (
                ":",
                ".",
                "=",
            ):
                raise Untranslatable("it has a named class in it")
            letter = self._pattern[self._at + 1 : self._at + 2]
            if self._peek() == "\\" and letter.lower() in _CLASSES and letter.isascii():
                self._at += 2
                if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] != "]":
                    raise Untranslatable("a range begins with a class")
                classes.append(letter)
                continue
            ranges.append(self._range())
        self._at += 1
        return self._joined(negated, ranges, classes)

    def _joined(self, negated: bool, ranges: list[str], classes: list[str]) -> str:
        plain = all(letter.islower() for letter in classes) and not self._ignores_case
        if plain or not classes:
            inside = "".join(_CLASSES[letter] for letter in classes) + "".join(ranges)
            return f"[{'^' if negated else ''}{inside}]"
        if negated:
            raise Untranslatable("a class excludes a class")
        alternatives = [self._named_class(letter) for letter in classes]
        if ranges:
            alternatives.append(f"[{''.join(ranges)}]")
        return f"(?:{'|'.join(alternatives)})"

    def _named_class(self, letter: str) -> str:
        r"""``\d``, ``\W`` and the like, of which PCRE does not ignore the case."""
        negation = "^" if letter.isupper() else ""
        return f"(?-i:[{negation}{_CLASSES[letter.lower()]}])"

    def _range(self) -> str:
        """One character of a class, or a range."""
        low = self._class_character()
        rest = self._pattern[self._at : self._at + 2]
        if not rest.startswith("-") or rest in ("-", "-]"):
            return self._in_class(low)
        self._at += 1
        high = self._class_character()
        if low > high:
            raise Untranslatable("a range runs backwards")
        return f"{self._in_class(low)}-{self._in_class(high)}"

    def _class_character(self) -> str:
        character = self._peek()
        if not character:
            raise Untranslatable("a class is not closed")
        self._at += 1
        if character != "\\":
            return character
        if self._peek() == "b":
            self._at += 1
            return "\b"
        return self._escaped_character()

    def _in_class(self, character: str) -> str:
        self._check_case(character)
        return f"\\x{{{ord(character):x}}}"

    # --- characters ----------------------------------------------------------------------------

    def _literal(self, character: str) -> str:
        self._check_case(character)
        plain = character.isascii() and character.isalnum()
        return character if plain else f"\\x{{{ord(character):x}}}"

    def _check_case(self, character: str) -> None:
        if self._ignores_case and character > _CASE_STABLE:
            raise Untranslatable("case is ignored beyond Latin letters")

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _skip_blanks(self) -> None:
        """What the option x ignores: blanks, and comments to the end of the line."""
        while self._verbose and self._peek():
            if self._peek() in " \t\n\x0b\f\r":
                self._at += 1
            elif self._peek() == "#":
                end = self._pattern.find("\n", self._at)
                self._at = len(self._pattern) if end < 0 else end + 1
            else:
                return
