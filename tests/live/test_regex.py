"""Regular expressions: what RE2 answers is what MongoDB answers, and what it cannot is asked."""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Regex

from server.live.matching import NotCompiled, compile_filter
from tests.live.oracle import Documents, Oracle

SEED = int(os.environ.get("HEADWATER_SEED", "20261122"))
PATTERNS = 20_000 if os.environ.get("HEADWATER_FUZZ") else 700

TEXTS = [
    "", "a", "A", "b", "ab", "aab", "abc", "a\n", "\n", "\n\n", "a\nb", "a\nb\n", "b\na\n\n",
    "a\r", "a\r\nb", " a", "a b", "a\tb", "\x0b", "\x0c", "\x85", "\xa0", "\u2028", "a#b",
    "foo.bar", "Foo", "foo bar", "k", "K", "\u212a", "s", "ſ", "ß", "ẞ", "é", "É", "Σ", "σ", "ς",
    "µ", "μ", "i", "İ", "ı", "x\0y", "a-b", "a]b", "[", "]", "^", "$", "\\", "{a", "a{1",
    "a{,2}", "a}", "}", "|", "(a)", "_", "0", "12", "\u0661", "\u200b", "😀", "a😀b", "aaaaaaaaaa",
    "a.b@example.com", "%", "/", "-", "\x1b", "\x07", "\x08", "\x7f", Regex("a", "i"),
    Regex("^a", ""), Regex("a", ""), ["a\n", "b"], ["x", Regex("^a", "")], None, 5, {"a": "a"},
    [["a"]],
]  # fmt: skip

SAME: list[tuple[str, str]] = [
    ("a$", ""), ("a$", "m"), (r"a\z", ""), (r"a\Z", "m"), (r"\Aa", "m"), ("^a", ""), ("^a", "m"),
    ("^.$", ""), ("^.$", "s"), ("^b$", "m"), (r"\s", ""), (r"^\S$", ""), (r"^\w$", "i"),
    (r"^\W$", "i"), (r"[\w.]", "i"), (r"^[\W]$", ""), (r"^[^\d]$", ""), (r"\d", ""), ("k", "i"),
    ("^[^k]$", "i"), ("^[a-z]$", "i"), ("^[^a-z]$", "i"), ("é", "i"), ("ß", "i"), ("µ", "i"),
    (r"\bb", ""), (r"\bé", ""), (r"x\x00y", ""), ("x.y", ""), ("a b", "x"), (r"a\ b", "x"),
    ("a # b", "x"), ("a # c\n b", "x"), ("a +b", "x"), ("[ ]", "x"), ("a{2}", ""), ("a{2,}", ""),
    ("^a{1,2}$", ""), ("{a", ""), ("a{1", ""), ("a}", ""), ("a]b", ""),
    ("[]a]", ""), ("[^]a]", ""), (r"[\]]", ""), ("[a-]", ""), ("[-a]", ""), (r"[\b]", ""),
    ("a|^b$", ""), ("(a|b)+c", ""), ("(?:a|)b", ""), ("a??b", ""), ("a+?", ""), ("", ""),
    ("(?i)FOO", ""), ("(?s)a.b", ""), (r"\.", ""), (r"\/", ""), (r"\-", ""), (r"\_", ""),
    (r"\é", ""), (r"\x41", ""), (r"\x{e9}", ""), (r"[\x{e0}-\x{ef}]", ""), (r"\t", ""),
    (r"\n", ""), (r"\e", ""), (r"\a", ""), ("😀", ""), ("[😀]", ""), ("a.b", ""), (r"^[\s]$", ""),
    ("$", ""), ("$", "m"), ("^$", ""), (r"\w+@\w+\.com$", "i"), ("a$|b$", ""), ("(?:a|b$)", ""),
    (r"^\x{85}$", ""), ("a", "u"),
]  # fmt: skip
"""Patterns and options that RE2 decides."""

ASKED: list[tuple[str, str]] = [
    ("a{,2}", ""), ("a{ 1}", ""),
    ("(?=a)", ""), ("(?!a)", ""), ("(?<=a)b", ""), (r"(a)\1", ""), ("a++", ""), ("a*+", ""),
    ("(?>a)", ""), ("[[:alpha:]]", ""), (r"\p{L}", ""), (r"\h", ""), (r"\R", ""), (r"\K", ""),
    (r"\Qa\E", ""), (r"a$\n", ""), ("(a$)+", ""), ("^$", "m"), ("^", "m"), ("(?P<n>a)", ""),
    ("(*UCP)a", ""), ("Σ", "i"), ("[а-я]", "i"), (r"[^\w]", "i"), ("a{1,2000}", ""),
    (r"\12", ""), (r"\cA", ""), (r"\Bb", ""), (r"\N", ""), ("(?i:a)", ""), (r"[\d-z]", ""),
    ("a+ ?", "x"), ("(?#c)a", ""), ("("*60+"a"+")"*60, ""),
]  # fmt: skip
"""Patterns that only MongoDB decides."""

REFUSED: list[Any] = [
    {"$regex": "a\0b"}, {"$regex": 5}, {"$options": "i"}, {"$regex": "a", "$options": "z"},
    {"$regex": Regex("a", "i"), "$options": "m"}, {"$regex": "a", "$options": 5}, Regex("a", "l"),
    {"$ne": Regex("a")}, {"$gt": Regex("a")}, {"$lte": Regex("a", "i")},
]  # fmt: skip


@pytest.fixture(scope="module")
def oracle(mongo_uri: str) -> Iterator[Oracle]:
    judge = Oracle(mongo_uri, "regex_oracle")
    yield judge
    judge.close()


@pytest.fixture(scope="module")
def held(oracle: Oracle) -> Documents:
    return oracle.hold([{"_id": number, "a": text} for number, text in enumerate(TEXTS)])


def forms(pattern: str, options: str) -> list[Any]:
    """The ways to say one regular expression."""
    regex = Regex(pattern, options)
    return [
        {"a": regex},
        {"a": {"$regex": pattern, "$options": options}},
        {"a": {"$in": [regex, 5]}},
        {"a": {"$nin": [regex]}},
        {"a": {"$not": regex}},
        {"a": {"$all": [regex]}},
        {"a": {"$elemMatch": {"$regex": regex}}},
        {"a": {"$elemMatch": {"$in": [regex]}}},
        {"a": {"$eq": regex}},
        {"a.a": regex},
    ]


@pytest.mark.parametrize(("pattern", "options"), SAME)
def test_what_re2_decides_is_as_mongodb_has_it(
    oracle: Oracle, held: Documents, pattern: str, options: str
) -> None:
    for query in forms(pattern, options):
        assert compile_filter(query).asks is None
        assert oracle.filter_fault(query, held) is None, query


@pytest.mark.parametrize(("pattern", "options"), ASKED)
def test_what_re2_could_take_otherwise_is_asked_of_mongodb(
    oracle: Oracle, held: Documents, pattern: str, options: str
) -> None:
    matcher = compile_filter({"a": Regex(pattern, options)})
    assert matcher.asks is not None
    assert pattern in matcher.asks or repr(pattern) in matcher.asks
    for query in forms(pattern, options):
        assert oracle.filter_fault(query, held) is None, query
    assert not matcher.matches({"a": 5}), "only a text can match"


@pytest.mark.parametrize("condition", REFUSED)
def test_what_mongodb_refuses_is_not_compiled(oracle: Oracle, condition: Any) -> None:
    with pytest.raises(NotCompiled, match="MongoDB refuses"):
        compile_filter({"a": condition})
    assert oracle.matching({"a": condition}) is None


@pytest.mark.fuzz
def test_random_expressions_mean_in_re2_what_they_mean_to_mongodb(
    oracle: Oracle, held: Documents
) -> None:
    print(f"HEADWATER_SEED={SEED}")
    rng = random.Random(SEED)
    decided = 0
    for _ in range(PATTERNS):
        options = "".join(rng.sample("imsx", rng.choice((0, 0, 1, 2))))
        query = {"a": {"$regex": expression(rng), "$options": options}}
        assert oracle.filter_fault(query, held) is None, (SEED, query)
        try:
            decided += compile_filter(query).asks is None
        except NotCompiled:
            continue
    assert decided > PATTERNS // 3


def expression(rng: random.Random, depth: int = 2) -> str:
    """A regular expression, as a rule a valid one."""
    branches = ["".join(piece(rng, depth) for _ in range(rng.randrange(4)))]
    while rng.random() < 0.2:
        branches.append("".join(piece(rng, depth) for _ in range(rng.randrange(3))))
    return "|".join(branches)


def piece(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(("^", "$", r"\b", r"\B", r"\A", r"\z", r"\Z", " ", "#", "\n"))
    if kind < 0.25 and depth:
        return rng.choice(("(", "(?:")) + expression(rng, depth - 1) + ")" + quantifier(rng)
    if kind < 0.4:
        inside = "".join(class_part(rng) for _ in range(rng.randrange(1, 4)))
        return f"[{rng.choice(('', '', '^'))}{inside}]" + quantifier(rng)
    atoms = (
        "a", "b", "A", "k", "s", "é", "ß", ".", r"\d", r"\w", r"\W", r"\s", r"\S", r"\n", r"\.",
        "#", r"\x61", r"\x{212a}", "-", "]", "}", "{", ",", "😀", "σ",
    )  # fmt: skip
    return rng.choice(atoms) + quantifier(rng)


def class_part(rng: random.Random) -> str:
    parts = (
        "a", "b", "a-c", "A-Z", "k", "s", "é", r"\d", r"\w", r"\s", r"\W", r"\n", "-", ".", "^",
        " ", r"\]", r"\x41-\x5a", "[", "#", "ß", "é-ü",
    )  # fmt: skip
    return rng.choice(parts)


def quantifier(rng: random.Random) -> str:
    if rng.random() < 0.65:
        return ""
    return rng.choice(("*", "+", "?", "{2}", "{0,1}", "{1,}", "*?", "+?", "??", "{,2}", " +"))
