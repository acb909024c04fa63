"""Query functions that await several reads, one of which may depend on another, or raise.

What such a function does with what it read is written once; what it reads, twice: by a context of
Headwater's, and by plain reads of MongoDB (`random_queries`).
"""

import random
from collections.abc import Awaitable, Callable
from typing import Any

from bson import ObjectId

from server.runtime import Conflict, NotFound
from tests.live.things import TABLES, ids

__all__ = ["Composed", "awaited", "composed", "shown_names", "steps_read_by"]

Composed = dict[str, Any]
"""``{"kind": "composed", "finds": [step], "shows": …}``; a step is a find with a ``"how"``."""

Rows = list[tuple[str, dict[str, Any]]]
"""Documents: the id of each as a client names it, and the fields in `NAMES`."""

NAMES = ("a", "b", "n")
"""The fields whose Python value is the stored one."""


def composed(rng: random.Random, find: Callable[[], dict[str, Any]]) -> Composed:
    """Any such function, of finds that `find` makes.

    A step is read by awaiting a find, one document or a count; where it ``"follows"``, it asks
    for what the step before it found. It may raise, by what was found. ``"shows"`` says what is
    returned: what was awaited, or one more find, which is maintained, or both.
    """
    steps = [_step(rng, find()) for _ in range(rng.randrange(1, 4))]
    steps[0].pop("follows", None)
    shows = rng.choice(("awaited", "awaited", "maintained", "both"))
    return {"kind": "composed", "finds": [*steps, find()], "shows": shows}


def _step(rng: random.Random, step: dict[str, Any]) -> dict[str, Any]:
    how = rng.choices(("find", "get", "count"), (6, 2, 2))[0]
    if how == "get":
        collection = step["in"]
        known = [str(one) for one in ids(collection) if isinstance(one, str | ObjectId)]
        step = {"in": collection, "id": rng.choice(known), "filter": {}, "sort": []}
    step |= {"how": how, "follows": rng.choice((None, None, "ids", "n"))}
    for unread in {"find": ("view",), "get": ()}.get(how, ("view", "limit", "last", "fields")):
        step.pop(unread, None)
    if rng.random() < 0.35:
        step["raises"] = {
            "when": rng.choice(("more", "fewer", "sum")),
            "than": rng.randrange(6),
            "as": rng.choice(("conflict", "not_found", "internal")),
        }
        if step["raises"]["when"] == "sum" and "fields" in step:
            step["fields"] = ["n"]
    return step


async def awaited(made: Composed, read: Callable[[dict[str, Any]], Awaitable[Rows | int]]) -> Any:
    """What the awaited reads come to, in stored values; `read` reads one step."""
    values: list[Any] = []
    before: Rows | int = 0
    for step in made["finds"][:-1]:
        following = _following(step, before)
        found = None if following is None else await read(following)
        _raise(step.get("raises"), found)
        if isinstance(found, list):
            values.append([[id_, list(row.values())] for id_, row in found])
        else:
            values.append(found)
        before = found or 0
    return values


def _following(step: dict[str, Any], before: Rows | int) -> dict[str, Any] | None:
    """The step with what it takes from the one before it; None where there is nothing to take."""
    if step.get("follows") is None:
        return step
    if not isinstance(before, list) or not before:
        return None
    if step["how"] == "get":
        return {**step, "id": before[0][0]}
    if step["follows"] == "ids":
        more: dict[str, Any] = {"_id": {"$in": [id_ for id_, _ in before[:3]]}}
    else:
        more = {"n": {"$eq": before[0][1].get("n")}}
    return {**step, "filter": {"$and": [more, step["filter"]]}}


def _raise(when: dict[str, Any] | None, found: Rows | int | None) -> None:
    if when is None or found is None:
        return
    rows = found if isinstance(found, list) else []
    size = found if isinstance(found, int) else len(found)
    if when["when"] == "sum":
        # Most values cannot be added: a TypeError, as any function's own bug would be.
        raised = sum((row["n"] for _, row in rows), 0.0) > 3 * when["than"]
    else:
        raised = size > when["than"] if when["when"] == "more" else size < when["than"]
    if raised:
        match when["as"]:
            case "conflict":
                raise Conflict("Not with these.")
            case "not_found":
                raise NotFound("Not with these.")
            case _:
                raise ValueError(size)


def shown_names(step: dict[str, Any]) -> list[str]:
    """What of a document a step looks at."""
    return [name for name in NAMES if name in step.get("fields", NAMES)]


def steps_read_by(
    find: Callable[[dict[str, Any]], Any], ctx: Any
) -> Callable[[Any], Awaitable[Any]]:
    """Reads steps by `ctx`; `find` makes its find of one."""

    def row(step: dict[str, Any], one: Any) -> tuple[str, dict[str, Any]]:
        return one.id, {name: getattr(one, name) for name in shown_names(step)}

    async def read(step: dict[str, Any]) -> Rows | int:
        table = TABLES[step["in"]]
        if step["how"] == "count":
            within = tuple(step["within"]) if "within" in step else None
            return int(await ctx.count(table, step["filter"], within=within))
        if step["how"] == "get":
            one = await ctx.get(table, step["id"])
            return [] if one is None else [row(step, one)]
        return [row(step, one) for one in await find(step)]

    return read
