"""Something pleasant to read about whatever was asked: the text of the stand-in's own replies.

Pure and deterministic: the words come from the prompt, the rest from the choices given.
"""

from collections.abc import Sequence

from server.llm.standin.words import Choice

__all__ = ["SIGNATURE", "compose"]

_THOUGHTS = (
    "The question turns on {a}. ",
    "There are two honest ways to read {a}; the plainer one is likely meant. ",
    "Before {b} can be judged, the meaning of {a} has to be clear. ",
    "A short example about {b} will say more than a definition. ",
    "It is worth naming the price of {c}, and then stopping. ",
)
_OPENINGS = (
    "Let us begin with **{a}**, because the rest leans on it. Seen from a little distance it is a "
    "modest idea: something changes, somebody notices, and the two agree on what happened. Most of "
    "the difficulty in {b} comes from letting those three drift apart.",
    "The short answer: treat **{a}** as the thing you keep, and {b} as the thing you work out from "
    "it. The longer answer is worth a minute, since the reasons matter more than the rule.",
    "Good question. People usually meet **{a}** sideways, while looking for {b}, and so they meet "
    "its exceptions before its rule. Turned around, it is simpler than it looks.",
    "Imagine a small workshop in which **{a}** hangs on the wall and {b} lies on the bench. "
    "Everybody can see the one and reach the other; nobody has to ask. That picture carries "
    "surprisingly far.",
)
_MIDDLES = (
    "What tends to surprise people is {c}. It looks like a detail and behaves like a foundation: "
    "leave it vague and every later step has to guess. Settle it early, in one sentence that a "
    "colleague could repeat, and talk about {a} stops being a matter of taste.",
    "Here some care for {c} pays for itself. You could do without it for a week, perhaps for a "
    "month, and then two people would remember the same afternoon differently. A little structure "
    "around {b} now is cheaper than that conversation.",
    "Notice that none of this has to be clever. It has to be *visible*: when something goes wrong "
    "around {b}, you want to read what happened rather than reconstruct it, and you would look at "
    "{c} first.",
)
_ITEMS = (
    "**Start from {a}.** Write down what is true before anything happens.",
    "**Keep {b} small.** A step that can be described in one breath can be undone in one, too.",
    "**Watch {c}.** Not constantly: only where a change would alter what you do next.",
    "**Let the difference travel.** Whoever already has the whole needs only what is new.",
    "**Name the unhappy path.** Should {b} fail halfway, say who notices and what they see.",
    "**Measure once, on a quiet day.** Otherwise {a} will be blamed for the weather.",
)
_CODE = (
    'def {id}(pieces: list[str]) -> str:\n    """What a reader of {a} sees so far."""\n'
    '    return "".join(piece for piece in pieces if piece)',
    "seen: dict[str, int] = {{}}\n\nfor word in {words!r}:\n"
    "    seen[word] = seen.get(word, 0) + 1\n\nprint(max(seen, key=seen.__getitem__))",
    "async def {id}(changes):\n    async for change in changes:\n"
    '        if change.touches("{a}"):\n            yield change.difference()',
)
_BRIDGES = (
    "In code the whole idea fits into a few lines:",
    "A sketch, with {a} left as simple as it can be:",
    "If you prefer to see it rather than read it:",
)
_CLOSINGS = (
    "So: {a} first, {b} derived from it, and {c} kept in plain sight. If one of the three feels "
    "heavy, it is usually because it is doing the work of another.",
    "That leaves {c}, which I would not decide today. Try it with {b} as it stands; the place "
    "where it chafes will tell you more than either of us can guess.",
    "None of this is the last word on {a}. It is a place to stand while you find the next one.",
)
SIGNATURE = (
    "*Written by Headwater's stand-in, not by Claude; set `ANTHROPIC_API_KEY` for the real one.*"
)


def compose(phrases: Sequence[str], choose: Choice) -> tuple[str, str]:
    """Thoughts and a text about `phrases`."""
    spare = ("the question", "the answer", "the detail")
    a, b, c = (*phrases, *spare[len(phrases[:3]) :])[:3]
    identifier = "_".join(a.lower().split())
    names = {
        "a": a,
        "b": b,
        "c": c,
        "id": identifier if identifier.isidentifier() else "answer",
        "words": " ".join(phrases).lower().split() or ["word"],
    }

    def filled(template: str) -> str:
        written = template.format(**names)
        return written[0].upper() + written[1:]

    items = "\n".join(f"- {filled(item)}" for item in choose.some(_ITEMS, 3 + choose.below(2)))
    middles = choose.some(_MIDDLES, 2)
    code = choose.one(_CODE).format(**names)
    paragraphs = [
        filled(choose.one(_OPENINGS)),
        filled(middles[0]),
        f"### What I would do about {a}\n\n{items}",
        f"{filled(choose.one(_BRIDGES))}\n\n```python\n{code}\n```",
        filled(middles[1]),
        filled(choose.one(_CLOSINGS)),
        SIGNATURE,
    ]
    thinking = "".join(filled(thought) for thought in choose.some(_THOUGHTS, 3)).rstrip()
    return thinking, "\n\n".join(paragraphs)
