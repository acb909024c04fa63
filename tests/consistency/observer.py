"""A client that only looks: it follows one stream, is cut off, comes back, and records it all."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2

from tests.consistency.history import Time, picture
from tests.sse import Event, apply_patch, events_of

RETRY_SECONDS = 0.05


def time_of(position: str) -> Time:
    """The cluster time of a position; a client would not look inside."""
    seconds, _, increment = position.partition("~")[0].partition(".")
    return int(seconds), int(increment)


@dataclass(frozen=True)
class Seen:
    """What an observer held after one transition.

    Attributes:
        time: Of its position.
        settled: Whether every query was true there.
        at: Where a query was true that said so.
        pictures: Of each query's value; a query without one, or with an error, is absent.
        connection: Counts the connections.
        continues: Whether the connection continued from a position.
    """

    time: Time
    settled: bool
    at: dict[str, Time]
    pictures: dict[str, Any]
    connection: int
    continues: bool


@dataclass
class Observer:
    """One stream after another, of the same queries, on this server or that.

    Attributes:
        servers: Where to go.
        queries: Id to function and arguments; a live stream has one.
        client: Its name; who writes under it, lets it know how far it is.
        seen: What it saw, in order.
        refusals: Answers other than 200.
        complaints: What no server may ever say.
    """

    servers: list[httpx2.AsyncClient]
    queries: dict[str, tuple[str, dict[str, Any]]]
    kind: str = "sync"
    strict: bool = False
    server: int = 0
    client: str = "observer"
    seen: list[Seen] = field(default_factory=list)
    refusals: int = 0
    complaints: list[str] = field(default_factory=list)
    _resume: str = "anew"
    _away_seconds: float = 0
    _position: str | None = None
    _values: dict[str, Any] = field(default_factory=dict)
    _at: dict[str, Time] = field(default_factory=dict)
    _connection: int = 0
    _continues: bool = False
    _reading: "asyncio.Task[None] | None" = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self, resume: str, away_seconds: float, server: int) -> None:
        """Leave, and come back so much later, to `server`, by the way that `resume` names."""
        self._resume, self._away_seconds, self.server = resume, away_seconds, server
        if self._reading is not None:
            self._reading.cancel()

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            self._connection += 1
            self._reading = asyncio.create_task(self._follow())
            try:
                await self._reading
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    self._reading.cancel()
                    await asyncio.gather(self._reading, return_exceptions=True)
                    raise
            except httpx2.HTTPError:
                self._away_seconds = self._away_seconds or RETRY_SECONDS
            self._reading = None
            await asyncio.sleep(self._away_seconds)
            self._away_seconds = 0

    async def reached(self, time: Time) -> None:
        """Wait until it holds values that are all true at `time` or later."""
        while not (self.seen and self.seen[-1].settled and self.seen[-1].time >= time):
            self._news.clear()
            await self._news.wait()

    # --- one connection ------------------------------------------------------------------------

    async def _follow(self) -> None:
        headers: dict[str, str] = {}
        extra = ""
        if self._resume == "anew":
            self._position, self._values, self._at = None, {}, {}
        elif self._position is not None and self._resume == "from":
            extra = f"&from={quote(self._position)}"
        elif self._position is not None:
            headers["Last-Event-ID"] = self._position
        self._resume = "last-event-id"  # as a browser does, unless it is told otherwise
        first = True
        http = self.servers[self.server]
        async with http.stream("GET", self._url() + extra, headers=headers, timeout=60) as response:
            if response.status_code != 200:
                self._refused(response.status_code, await response.aread(), extra)
                return
            async for event in events_of(response):
                self._take(event, first=first)
                first = False

    def _url(self) -> str:
        if self.kind == "live":
            ((function, arguments),) = self.queries.values()
            arguments_text = quote(json.dumps(arguments))
            return f"/api/live/{function}?args={arguments_text}&client={self.client}"
        queries = [
            {"id": id_, "function": function, "args": arguments}
            for id_, (function, arguments) in self.queries.items()
        ]
        strict = "&strict=true" if self.strict else ""
        return f"/api/sync?queries={quote(json.dumps(queries))}&client={self.client}{strict}"

    def _refused(self, status: int, body: bytes, extra: str) -> None:
        self.refusals += 1
        self._away_seconds = self._away_seconds or RETRY_SECONDS
        if extra:
            self._resume = "from"
        code = json.loads(body)["error"]["code"] if body.startswith(b"{") else ""
        if status != 503:
            self.complaints.append(f"{status} {code} to {extra or 'a reconnect'}")
            self._resume = "anew"

    def _take(self, event: Event, *, first: bool) -> None:
        assert event.id is not None
        changes: dict[str, Any]
        if self.kind == "live":
            (id_,) = self.queries
            changes = {} if event.data == {"patch": []} else {id_: event.data}
            if first:
                self._continues = self._position is not None
        else:
            changes = event.data["queries"]
            if ("from" in event.data) != first:
                self.complaints.append(f"from in {event.data}, which was first: {first}")
            if first:
                self._continues = event.data["from"] is not None
                if self._continues and event.data["from"] != self._position:
                    self.complaints.append(f"{event.data['from']} is not {self._position}")
        if first and self._position is None:
            self._continues = False
        for id_, change in changes.items():
            self._change(id_, change)
        self._position = event.id
        self.seen.append(
            Seen(
                time_of(event.id),
                not event.id.endswith("-"),
                dict(self._at),
                {id_: picture(value) for id_, value in self._values.items()},
                self._connection,
                self._continues,
            )
        )
        self._news.set()

    def _change(self, id_: str, change: dict[str, Any]) -> None:
        self._at.pop(id_, None)
        if "at" in change:
            self._at[id_] = time_of(change["at"])
        if "error" in change:
            self._values.pop(id_, None)
        elif "snapshot" in change:
            self._values[id_] = change["snapshot"]
        else:
            try:
                self._values[id_] = apply_patch(self._values[id_], change["patch"])
            except (LookupError, TypeError, AssertionError) as error:
                self.complaints.append(f"a patch of {id_} does not fit: {error!r}")
                self._values.pop(id_, None)
