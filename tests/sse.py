"""A reader of server-sent events, and a follower that keeps the documents of a stream."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2

from schemas.wire.position import Position


@dataclass
class Event:
    """One message: its id, and its data as JSON."""

    id: str | None
    data: Any
    size: int = 0


async def events_of(response: httpx2.Response) -> AsyncIterator[Event]:
    """The messages of a stream, by the rules of the HTML standard that servers here rely on."""
    buffer = b""
    async for chunk in response.aiter_raw():
        buffer += chunk
        while b"\n\n" in buffer:
            block, _, buffer = buffer.partition(b"\n\n")
            found = _event(block)
            if found is not None:
                yield found


def _event(block: bytes) -> Event | None:
    id_, data = None, []
    for line in block.decode().split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            id_ = value
        elif name == "data":
            data.append(value)
    return Event(id_, json.loads("\n".join(data)), len(block) + 2) if data else None


def apply_patch(value: Any, patch: list[dict[str, Any]]) -> Any:
    """`value` after `patch`: RFC 6902, and append. Written apart from the server's own code."""
    return fold(copy.deepcopy(value), patch)


def fold(value: Any, patch: list[dict[str, Any]]) -> Any:
    """The same, where `value` may be used up."""
    holder = {"": value}
    for operation in patch:
        kind = operation["op"]
        if kind == "move":
            moved = _take(holder, operation["from"])
            _add(holder, operation["path"], moved)
        elif kind == "remove":
            _take(holder, operation["path"])
        elif kind == "add":
            _add(holder, operation["path"], operation["value"])
        else:
            parent, key = _parent(holder, operation["path"])
            old = parent[key]
            new = operation["value"]
            if kind == "append":
                assert isinstance(old, str), operation
                new = old + new
            else:
                assert kind == "replace", operation
            parent[key] = new
    return holder[""]


def _parent(holder: Any, pointer: str) -> tuple[Any, Any]:
    steps = [""] + [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]
    parent = holder
    for step in steps[:-1]:
        parent = parent[int(step)] if isinstance(parent, list) else parent[step]
    last = steps[-1]
    return parent, int(last) if isinstance(parent, list) else last


def _take(holder: Any, pointer: str) -> Any:
    parent, key = _parent(holder, pointer)
    return parent.pop(key)


def _add(holder: Any, pointer: str, value: Any) -> None:
    parent, key = _parent(holder, pointer)
    if isinstance(parent, list):
        assert 0 <= key <= len(parent), pointer
        parent.insert(key, value)
    else:
        parent[key] = value


@dataclass
class Follower:
    """A client of ``/api/sync``: its values, its errors, and where it is.

    `watch` is called with each query's id, old and new value as they change.
    """

    http: httpx2.AsyncClient
    queries: dict[str, tuple[str, dict[str, Any]]]
    client: str | None = None
    strict: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, Any] = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)
    position: str | None = None
    events: list[Event] = field(default_factory=list)
    snapshots: int = 0
    failure: BaseException | None = None
    has_ended: bool = False
    watch: Callable[[str, Any, Any], None] = lambda _id, _old, _new: None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self) -> str:
        queries = [
            {"id": id_, "function": function, "args": args}
            for id_, (function, args) in self.queries.items()
        ]
        extra = f"&client={self.client}" if self.client else ""
        extra += "&strict=true" if self.strict else ""
        return f"/api/sync?queries={quote(json.dumps(queries))}{extra}"

    @asynccontextmanager
    async def following(self, *, resume: bool = True) -> AsyncIterator["Follower"]:
        """Follow beside the block; like a browser, it names its last event when it comes back."""
        self.has_ended = False
        task = asyncio.create_task(self.follow(resume=resume))
        task.add_done_callback(self._ended)
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._raise()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            self.failure = task.exception()
            self.has_ended = True
            self._news.set()

    def _raise(self) -> None:
        if isinstance(self.failure, AssertionError | LookupError | TypeError):
            raise self.failure

    async def follow(self, *, resume: bool = True) -> None:
        """Read one connection until it ends."""
        headers = {"Last-Event-ID": self.position} if self.position and resume else {}
        async with self.http.stream("GET", self.url(), headers=headers, timeout=None) as response:
            assert response.status_code == 200, await response.aread()
            async for event in events_of(response):
                self.take(event)

    def take(self, event: Event) -> None:
        """Take one transition in."""
        if "from" in event.data and event.data["from"] is not None:
            assert event.data["from"] == self.position, (event.data["from"], self.position)
        for id_, change in event.data["queries"].items():
            self.at.pop(id_, None)
            if "at" in change:
                self.at[id_] = change["at"]
            if "error" in change:
                self.errors[id_] = change["error"]
                self.values.pop(id_, None)
                continue
            self.errors.pop(id_, None)
            old = self.values.get(id_)
            if "snapshot" in change:
                self.snapshots += 1
                self.values[id_] = change["snapshot"]
            else:
                try:
                    self.values[id_] = apply_patch(old, change["patch"])
                except (LookupError, TypeError, AssertionError) as error:
                    past = [
                        (e.id, e.data.get("from", ""), e.data["queries"].get(id_))
                        for e in self.events[-12:]
                    ]
                    said = f"{id_} at {event.id}: {change} does not fit {old}; before: {past}"
                    raise AssertionError(said) from error
            self.watch(id_, old, self.values[id_])
        self.position = event.id
        self.events.append(event)
        self._news.set()

    def has_passed(self, position: str) -> bool:
        """Whether what was done at `position` is to be seen."""
        if not position or self.position is None:
            return not position
        return Position.parse(self.position).time >= Position.parse(position).time

    async def until(self, condition: Callable[["Follower"], bool], seconds: float = 60) -> None:
        """Wait until `condition` holds of the follower."""
        async with asyncio.timeout(seconds):
            while not condition(self):
                self._raise()
                assert not self.has_ended, f"the stream has ended before: {self.failure!r}"
                self._news.clear()
                await self._news.wait()
