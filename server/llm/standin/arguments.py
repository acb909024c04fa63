"""Arguments that fit a tool's JSON Schema, made of what a prompt says.

Pure and deterministic. It knows what schemas of tools use: types, enumerations, bounds, formats,
references, alternatives. A pattern is met where one of a few tries meets it.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import re2

from server.llm.standin.words import phrases

__all__ = ["arguments_for"]

_DEPTH_MAX = 8
_TEXT_CHARS_MAX = 200
_ITEMS_MAX = 8
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "somebody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_WHOLE_PROMPT = {"input", "message", "prompt", "q", "query", "question", "request", "text"}
_SPARE = "something"
_TRIES = (
    "a", "A", "abc", "abcd", "ABC", "0", "1", "10", "2026-01-31", "12:00", "a-b", "a_b", "a.b",
    "/a", "/a/b.txt", "#aabbcc", "+15550100", "somebody@example.com",
)  # fmt: skip
"""For patterns."""


def arguments_for(schema: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """An object that fits `schema`, with every required property.

    A schema that makes no sense, which is whose tool it is to mend, gets no arguments.
    """
    try:
        made = _Maker(schema, prompt).value(schema, "", 0)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return {}
    return cast("dict[str, Any]", made) if isinstance(made, dict) else {}


class _Maker:
    def __init__(self, root: Mapping[str, Any], prompt: str) -> None:
        self._root = root
        self._prompt = " ".join(prompt.split()).strip(" .,;:!?")
        self._texts = _cycled(_telling(prompt))
        numbers: list[str] = re.findall(r"-?\d+(?:\.\d+)?", prompt)
        self._numbers = [float(number) for number in numbers]

    def value(self, schema: object, name: str, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return _SPARE
        rules = self._resolved(cast("Mapping[str, Any]", schema))
        if "const" in rules:
            return rules["const"]
        if rules.get("enum"):
            return self._chosen(rules["enum"])
        if "default" in rules:
            return rules["default"]
        if rules.get("examples"):
            return rules["examples"][0]
        match _type(rules):
            case "object":
                return self._object(rules, depth)
            case "array":
                return self._array(rules, name, depth)
            case "integer":
                return int(self._number(rules, 1))
            case "number":
                return self._number(rules, rules.get("multipleOf") or 0)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._text(rules, name)

    def _resolved(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema with references followed, alternatives chosen and conjunctions joined."""
        rules = dict(schema)
        for _ in range(_DEPTH_MAX):
            if isinstance(reference := rules.pop("$ref", None), str):
                rules = dict(self._referred(reference)) | rules
            elif options := rules.pop("anyOf", None) or rules.pop("oneOf", None):
                shown = [each for each in options if each.get("type") != "null"] or options
                rules |= shown[0]
            elif together := rules.pop("allOf", None):
                for each in together:
                    rules = _joined(rules, each)
            else:
                break
        return rules

    def _referred(self, reference: str) -> Mapping[str, Any]:
        found = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            found = found[step] if step else found
        return found

    def _object(self, rules: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = rules.get("properties") or {}
        if depth >= _DEPTH_MAX:
            return {}
        required: Sequence[str] = rules.get("required") or ()
        names = required or list(properties)[: 1 if depth == 0 else 0]
        return {name: self.value(properties.get(name, {}), name, depth + 1) for name in names}

    def _array(self, rules: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        if depth >= _DEPTH_MAX or rules.get("maxItems") == 0:
            return []
        count = min(max(1, rules.get("minItems", 1)), _ITEMS_MAX)
        items: list[Any] = []
        for _ in range(count):
            item = self.value(rules.get("items", {}), name, depth + 1)
            if rules.get("uniqueItems") and item in items:
                item = item + len(items) if isinstance(item, int) else f"{item} {len(items) + 1}"
            items.append(item)
        return items

    def _number(self, rules: Mapping[str, Any], step: float) -> float:
        step = rules.get("multipleOf") or step
        low: float = rules.get("minimum", -math.inf)
        high: float = rules.get("maximum", math.inf)
        margin = step or 0.5
        if "exclusiveMinimum" in rules:
            low = max(low, rules["exclusiveMinimum"] + margin)
        if "exclusiveMaximum" in rules:
            high = min(high, rules["exclusiveMaximum"] - margin)
        fitting = [n for n in self._numbers if low <= n <= high and (not step or n % step == 0)]
        if fitting:
            self._numbers.remove(fitting[0])
            return fitting[0]
        chosen = min(max(1.0, low), high)
        return math.ceil(chosen / step) * step if step else chosen

    def _chosen(self, options: Sequence[Any]) -> Any:
        said = self._prompt.lower()
        return next((each for each in options if str(each).lower() in said), options[0])

    def _text(self, rules: Mapping[str, Any], name: str) -> str:
        made = _FORMATS.get(str(rules.get("format")))
        if made is None:
            whole = self._prompt[:_TEXT_CHARS_MAX]
            made = whole if name.lower() in _WHOLE_PROMPT and whole else next(self._texts)
        if pattern := rules.get("pattern"):
            made = next((each for each in (made, *_TRIES) if _fits(pattern, each)), made)
        short = min(rules.get("minLength", 0), _TEXT_CHARS_MAX) - len(made)
        if short > 0:
            made += made[-1] * short if made else "x" * short
        return made[: rules.get("maxLength", _TEXT_CHARS_MAX)]


def _telling(prompt: str) -> list[str]:
    """What may be meant as an argument: quoted, then places and paths, then names, then topics."""
    quoted = [a or b or c for a, b, c in re.findall(r"\"([^\"]+)\"|'([^']+)'|`([^`]+)`", prompt)]
    paths = re.findall(r"https?://\S+|(?<!\w)[\w.-]*/[\w./-]+|\b[\w-]+\.[a-z]{1,4}\b", prompt)
    names = re.findall(r"(?<![.!?] )(?<!^)\b[A-Z]\w+(?: [A-Z]\w+)*", prompt)
    return quoted or paths or names or phrases(prompt)


def _cycled(texts: Sequence[str]) -> Iterator[str]:
    while True:
        yield from texts or [_SPARE]


def _type(rules: Mapping[str, Any]) -> str:
    kind: object = rules.get("type")
    if isinstance(kind, list):
        kinds = cast("list[object]", kind)
        kind = next((each for each in kinds if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in rules else "array" if "items" in rules else "string"


def _joined(rules: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **rules,
        **more,
        "properties": {**(rules.get("properties") or {}), **(more.get("properties") or {})},
        "required": [*(rules.get("required") or ()), *(more.get("required") or ())],
    }


def _fits(pattern: str, text: str) -> bool:
    try:
        return re2.search(pattern, text) is not None
    except re2.error:
        return False
