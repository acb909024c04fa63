"""From a request to a sync stream: its queries, and the positions that they continue."""

import asyncio
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.requests import Request

from schemas.wire.position import Position, Time
from schemas.wire.query_set import QueryRequest, SyncRequest
from server.core import limits
from server.core.errors import (
    HeadwaterError,
    Malformed,
    PositionAhead,
    TooLarge,
    TooMany,
    Unavailable,
)
from server.live.live_query import QueryKey, RunQuery
from server.runtime import Caller
from server.sync.stream import Subscribed, SyncStream
from server.web.services import Services

__all__ = ["Opened", "open_stream", "parse_sync_request"]


@dataclass(frozen=True)
class Opened:
    """A stream, ready to be spoken for.

    Attributes:
        stream: Its state.
        continues: The position that it continues; None where it starts anew.
    """

    stream: SyncStream
    continues: str | None


def parse_sync_request(fields: object) -> SyncRequest:
    """A query set from what a client sent.

    Raises:
        Malformed: It is none, or two of its queries share an id.
        TooLarge: It has more than `QUERY_SET_MAX` queries.
    """
    try:
        parsed = SyncRequest.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the query set"
        raise Malformed(
            f"{where}: {first['msg']}. A query set is a list of "
            '{"id", "function", "args", "from"?}.'
        ) from None
    if len(parsed.queries) > limits.QUERY_SET_MAX:
        raise TooLarge(f"A sync stream may have {limits.QUERY_SET_MAX} queries; open another.")
    if len({query.id for query in parsed.queries}) < len(parsed.queries):
        raise Malformed("Two queries of the set have the same id; give each its own.")
    return parsed


async def open_stream(
    services: Services, request: Request, asked: SyncRequest, caller: Caller
) -> Opened:
    """Subscribe to every query of `asked`. A query that cannot be followed says so in the stream.

    Raises:
        HeadwaterError: The stream as a whole is refused.
    """
    last_seen = request.headers.get("last-event-id")
    resumes = _Resumes(services, is_reconnect=bool(last_seen))
    if asked.after:
        await resumes.reach(asked.after)
    for query in asked.queries:
        text = last_seen or query.from_ or asked.from_
        if text:
            await resumes.add(query.id, text)
    stream = SyncStream(services.registry, services.build, services.hub, asked.client, asked.strict)
    stream.floor = resumes.floor
    try:
        for query in asked.queries:
            _subscribe(services, stream, query, resumes.positions.get(query.id), caller)
    except BaseException:
        stream.close()
        raise
    furthest = max(resumes.positions.values(), key=lambda one: one.time, default=None)
    return Opened(stream, None if furthest is None else str(furthest))


def _subscribe(
    services: Services,
    stream: SyncStream,
    query: QueryRequest,
    resume: Position | None,
    caller: Caller,
) -> None:
    try:
        key, run = services.runtime.prepare_query(query.function, query.args, caller)
    except HeadwaterError as error:
        stream.fail(query.id, error)
        return
    try:
        live = services.registry.subscribe(key, query.function, run, stream)
    except TooMany as error:
        stream.fail(query.id, error)
        _subscribe_when_there_is_room(services, stream, query.id, (key, query.function, run))
    else:
        stream.add(Subscribed(query.id, live, resume))


def _subscribe_when_there_is_room(
    services: Services, stream: SyncStream, id_: str, asked: tuple[QueryKey, str, RunQuery]
) -> None:
    def again() -> None:
        if stream.closed:
            return
        try:
            live = services.registry.subscribe(*asked, stream)
        except TooMany:
            _subscribe_when_there_is_room(services, stream, id_, asked)
        else:
            stream.add(Subscribed(id_, live, None))

    asyncio.get_running_loop().call_later(limits.SUBSCRIBE_AGAIN_SECONDS, again)


class _Resumes:
    """The positions that a stream's queries continue.

    Attributes:
        positions: By query id; a query that starts anew has none.
        floor: The furthest of them, and of those to be reached; the feed must have come there
            before anything is told.
    """

    def __init__(self, services: Services, *, is_reconnect: bool) -> None:
        self._services = services
        self._is_reconnect = is_reconnect
        self._known: dict[str, Position | None] = {}
        self.positions: dict[str, Position] = {}
        self.floor = Time(0, 0)

    async def add(self, id_: str, text: str) -> None:
        """The query `id_` continues from `text`.

        A browser that reconnects gives up for ever at any answer but 200, so what would be
        refused at first is then a snapshot.

        Raises:
            Malformed: `text` is no position.
            PositionAhead: The cluster has not come there itself.
            Unavailable: This server has not come there in time.
        """
        if text not in self._known:
            self._known[text] = await self._judge(text)
        position = self._known[text]
        if position is not None:
            self.positions[id_] = position
            self.floor = max(self.floor, position.time)

    async def reach(self, text: str) -> None:
        """Nothing is told before the feed has come to `text`.

        Raises:
            HeadwaterError: As of `add`.
        """
        position = await self._judge(text)
        if position is not None:
            self.floor = max(self.floor, position.time)

    async def _judge(self, text: str) -> Position | None:
        try:
            position = Position.parse(text)
        except ValueError as error:
            if self._is_reconnect:
                return None
            raise Malformed(f"The position cannot be read: {error}") from None
        if position.build != self._services.build:
            return None
        feed = self._services.registry
        if position.time <= feed.position:
            return position
        try:
            is_ahead = position.time > await self._cluster_time()
        except Unavailable:
            if self._is_reconnect:
                return position  # nothing is told before the feed has come there
            raise
        if is_ahead:
            if self._is_reconnect:
                return None
            raise PositionAhead(
                f"{text} lies beyond this database's own time; start with a snapshot."
            )
        reached = await self._services.registry.reached(position.time)
        if not reached and not self._is_reconnect:
            raise Unavailable("This server has not come to that position yet; connect again.")
        return position

    async def _cluster_time(self) -> Time:
        try:
            return await self._services.reads.now()
        except Exception as error:
            raise Unavailable("The database cannot be reached just now; connect again.") from error
