"""What really happened, as MongoDB itself tells it afterwards; and what each query was then.

The oracle: states folded from a change stream that is read when all is over. It shares no code
with the server.
"""

from bisect import bisect_right
from collections import Counter
from typing import Any

from pymongo import AsyncMongoClient

Time = tuple[int, int]
State = dict[str, dict[str, Any]]
"""Documents by id: accounts, and entries, which have a ``number``."""


class History:
    """The states of one run, in order.

    Attributes:
        times: When each state began.
        states: The states.
        made: When each write was made; a write that was made twice has two times.
    """

    def __init__(self) -> None:
        self.times: list[Time] = [(0, 0)]
        self.states: list[State] = [{}]
        self.made: dict[str, list[Time]] = {}

    @classmethod
    async def read(
        cls, client: AsyncMongoClient[dict[str, Any]], database: str, run: str, begin: Any
    ) -> "History":
        """Everything from the operation time `begin` to the entry ``{run}-end``."""
        history = cls()
        watch = client[database].watch(start_at_operation_time=begin, max_await_time_ms=200)
        async with await watch as stream:
            async for event in stream:
                id_ = event.get("documentKey", {}).get("_id", "")
                if isinstance(id_, str) and id_.startswith(f"{run}-"):
                    history._take(event, id_)
                if id_ == f"{run}-end":
                    return history
        raise AssertionError("the change stream ended before the run did")

    def _take(self, event: dict[str, Any], id_: str) -> None:
        time = (event["clusterTime"].time, event["clusterTime"].inc)
        if time != self.times[-1]:
            self.times.append(time)
            self.states.append(dict(self.states[-1]))
        state = self.states[-1]
        before = state.get(id_)
        match event["operationType"]:
            case "insert" | "replace":
                state[id_] = event["fullDocument"]
            case "update":
                assert before is not None
                state[id_] = before | event["updateDescription"]["updatedFields"]
            case "delete":
                del state[id_]
            case kind:
                raise AssertionError(kind)
        after = state.get(id_, {})
        write = after.get("writer") or (id_ if "number" in after else None)
        written = self.made.setdefault(write, []) if write else []
        if time not in written:
            written.append(time)

    def at(self, time: Time) -> State:
        """The state at `time`."""
        return self.states[bisect_right(self.times, time) - 1]

    def between(self, begin: Time, end: Time) -> list[State]:
        """Every state that was true at some time from `begin` to `end`."""
        first = max(0, bisect_right(self.times, begin) - 1)
        return self.states[first : bisect_right(self.times, end)]

    def doubled(self) -> list[str]:
        """The writes that were made more than once."""
        return [write for write, times in self.made.items() if len(times) > 1]


def expected(query: str, state: State) -> Any:
    """What `query` is in `state`, pictured as `picture` does."""
    accounts = sorted(
        (one for one in state.values() if "rank" in one), key=lambda one: (one["rank"], one["_id"])
    )
    entries = sorted(
        (one for one in state.values() if "number" in one),
        key=lambda one: (one["number"], one["_id"]),
    )
    match query:
        case "everything":
            return picture(accounts)
        case "left" | "right":
            return picture([one for one in accounts if one["side"] == query])
        case "richest":
            # As MongoDB has it, `_id` goes the way of the key before it.
            by_amount = sorted(accounts, key=lambda one: (one["amount"], one["_id"]), reverse=True)
            return picture(by_amount[:3])
        case "book":
            return picture(entries)
        case "total":
            amount = sum(one["amount"] for one in accounts)
            return {"amount": amount, "entries": len(entries)}
    raise AssertionError(query)


def picture(value: Any) -> Any:
    """What matters of a query's value, as something that can be compared."""
    if not isinstance(value, list):
        return value
    return [
        (one["_id"], one["number"], tuple(sorted(one["versions"].items())))
        if "number" in one
        else (one["_id"], one["side"], one["amount"], one["version"], one["writer"])
        for one in value
    ]


def amounts(state: State) -> int:
    """All that there is; transfers do not change it."""
    return sum(one.get("amount", 0) for one in state.values())


def versions_of(state: State) -> Counter[str]:
    """How often each account was written."""
    return Counter({id_: one["version"] for id_, one in state.items() if "version" in one})
