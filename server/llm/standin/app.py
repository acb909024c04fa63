"""The stand-in as an application: ``POST /v1/messages``, streaming and not.

It refuses what Claude's API refuses, answers from its script, and improvises when that is empty.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.llm.standin.caching import PromptCache
from server.llm.standin.faults import (
    CutShort,
    Dropped,
    ErrorEvent,
    Failure,
    Malformed,
    Stalled,
    StatusError,
)
from server.llm.standin.improvise import improvise
from server.llm.standin.issued import Issued
from server.llm.standin.recording import Frame, Replay, frames, recorded_message
from server.llm.standin.refusal import Refusal
from server.llm.standin.requests import Outcome, ReceivedRequest
from server.llm.standin.script import Script, Turn
from server.llm.standin.validation import check_body, check_headers, key_of
from server.llm.standin.wire import Answer, WireEvent, framed

__all__ = ["DELTAS_PER_SECOND", "Standin", "create_standin"]

DELTAS_PER_SECOND = 40.0
"""The pace of an improvised reply."""

_BODY_BYTES_MAX = 32 * 1024 * 1024  # the real API's limit
_REQUESTS_KEPT_MAX = 256

_PING = framed(WireEvent({"type": "ping"}))


class Standin:
    """What one stand-in knows: its script, and what it was asked.

    Args:
        script: What to say; None improvises.
        deltas_per_second: The pace of improvised replies; ``inf`` for at once.
        script_interval_ms: Between the deltas of scripted replies and the events of recordings,
            where they do not say.
        cache_tokens_min: The shortest prompt that is cached.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        deltas_per_second: float = DELTAS_PER_SECOND,
        script_interval_ms: float = 0,
        cache_tokens_min: int = 1,
    ) -> None:
        self.script = script if script is not None else Script()
        self.requests: deque[ReceivedRequest] = deque(maxlen=_REQUESTS_KEPT_MAX)
        """The last requests, oldest first, malformed ones included."""
        self.closing = asyncio.Event()
        """Set to end all open streams."""
        self.abort: Callable[[Scope], None] = _abort_unsupported
        """How to reset a request's connection; the server that runs the application knows."""
        self.script_interval_ms = script_interval_ms
        self._deltas_per_second = deltas_per_second
        self._count = 0
        self._issued = Issued()
        self._cache = PromptCache(cache_tokens_min)

    async def answer(self, request: Request) -> Response:
        """Handle ``POST /v1/messages``."""
        self._count += 1
        headers = dict(request.headers)
        received = ReceivedRequest(
            request_id=f"req_standin_{self._count:06d}",
            client=request.client and (request.client.host, request.client.port),
            key=key_of(headers),
            headers={k: v for k, v in headers.items() if k not in {"authorization", "x-api-key"}},
            body={},
        )
        self.requests.append(received)
        try:
            check_headers(headers)
            received.body = _parsed(await _read(request))
            check_body(received.body, self._issued)
            turn = self.script.take(received.body) or improvise(
                received.body, deltas_per_second=self._deltas_per_second
            )
            if isinstance(failure := turn.failure, StatusError):
                raise Refusal(
                    failure.status, failure.error_type, failure.message, failure.retry_after_s
                )
            return self._answered(received, turn)
        except Refusal as refusal:
            received.end("refused")
            return _refused(refusal, received)

    def _answered(self, received: ReceivedRequest, turn: Turn) -> Response:
        body = received.body
        prompt = self._cache.count(body)
        if isinstance(turn, Replay):
            message = recorded_message(turn.data)
            events = frames(turn.data)
        else:
            digest = hashlib.sha256(f"{self._count} {received.request_id}".encode()).hexdigest()
            answer = Answer(f"msg_standin_{digest[:20]}", body["model"], turn, body, prompt)
            message = answer.message()
            events = map(framed, answer.events())
        if message is not None:
            self._issued.note(body, message)
        if body.get("stream"):
            return _StreamedAnswer(self, received, turn, events)
        if message is None:
            raise Refusal(500, "api_error", "The recording spells no message.")
        return _json(message, received, background=BackgroundTask(received.end, "answered"))


class _StreamedAnswer(Response):
    """The events of one answer, at their pace, ending as the script says."""

    media_type = "text/event-stream; charset=utf-8"

    def __init__(
        self, standin: Standin, received: ReceivedRequest, turn: Turn, events: Iterator[Frame]
    ) -> None:
        super().__init__(headers={"request-id": received.request_id, "cache-control": "no-cache"})
        del self.headers["content-length"]
        self._standin = standin
        self._received = received
        self._turn = turn
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        tasks: dict[asyncio.Task[Any], Outcome] = {
            asyncio.create_task(self._write(scope, send)): "answered",
            asyncio.create_task(_disconnected(receive)): "client left",
            asyncio.create_task(self._standin.closing.wait()): "stopped",
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._received.end(next(tasks[task] for task in tasks if task in done))
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, scope: Scope, send: Send) -> None:
        async for data in self._paced():
            if data:
                await send({"type": "http.response.body", "body": data, "more_body": True})
        if self._ends_in_failure:
            self._received.end("failed as told")
        if isinstance(self._turn.failure, Dropped):
            self._standin.abort(scope)
            await asyncio.Event().wait()  # until the disconnection is noticed

    @property
    def _ends_in_failure(self) -> bool:
        failure = self._turn.failure
        return failure is not None and not isinstance(failure, Stalled)

    async def _paced(self) -> AsyncIterator[bytes]:
        turn = self._turn
        failure = turn.failure
        paced_ms = turn.event_interval_ms if isinstance(turn, Replay) else turn.delta_interval_ms
        interval_s = (self._standin.script_interval_ms if paced_ms is None else paced_ms) / 1000
        loop = asyncio.get_running_loop()
        due_at = loop.time() + turn.delay_ms / 1000
        deltas = 0
        for events, event in enumerate(self._events):
            if failure is not None and _is_due(failure, events, deltas, event):
                async for data in self._fail(failure, event.data):
                    yield data
                if self._ends_in_failure:
                    return
                failure, due_at = None, loop.time()
            if event.is_delta or isinstance(turn, Replay):
                # Against the clock, not from delta to delta, so that the pace is kept under load.
                await asyncio.sleep(max(0.0, due_at - loop.time()))
                due_at += interval_s
            deltas += event.is_delta
            yield event.data
        if failure is not None:
            async for data in self._fail(failure, b""):
                yield data

    async def _fail(self, failure: Failure, following: bytes) -> AsyncIterator[bytes]:
        match failure:
            case ErrorEvent():
                refusal = Refusal(200, failure.error_type, failure.message)
                yield framed(WireEvent(refusal.as_json(self._received.request_id))).data
            case CutShort() | Dropped():
                yield following[: failure.bytes_of_next]
            case Malformed():
                yield failure.data
            case Stalled():
                async for data in _stall(failure):
                    yield data
            case StatusError():
                pass


async def _stall(stalled: Stalled) -> AsyncIterator[bytes]:
    until = stalled.until or asyncio.Event()
    interval_s = stalled.ping_interval_ms and stalled.ping_interval_ms / 1000
    loop = asyncio.get_running_loop()
    ends_at = float("inf") if stalled.for_ms is None else loop.time() + stalled.for_ms / 1000
    while not until.is_set() and (left_s := ends_at - loop.time()) > 0:
        wait_s = min(left_s, interval_s or left_s)
        try:
            async with asyncio.timeout(wait_s if wait_s < float("inf") else None):
                await until.wait()
        except TimeoutError:
            if interval_s and loop.time() < ends_at:
                yield _PING.data


def create_standin(
    script: Script | None = None,
    *,
    deltas_per_second: float = DELTAS_PER_SECOND,
    script_interval_ms: float = 0,
    cache_tokens_min: int = 1,
) -> Starlette:
    """The stand-in as an ASGI application; ``app.state.standin`` is its `Standin`."""
    standin = Standin(
        script,
        deltas_per_second=deltas_per_second,
        script_interval_ms=script_interval_ms,
        cache_tokens_min=cache_tokens_min,
    )
    app = Starlette(routes=[Route("/v1/messages", standin.answer, methods=["POST"])])
    app.state.standin = standin
    return app


def _is_due(failure: Failure, events: int, deltas: int, event: Frame) -> bool:
    """Whether `failure` comes before `event`, which follows so many events and deltas.

    By deltas it comes right after the last of them, or before the first.
    """
    if isinstance(failure, StatusError):
        return False
    if failure.at_event is not None:
        return events >= failure.at_event
    is_begun = event.is_delta or deltas > 0
    return (is_begun and deltas >= failure.after) or event.kind == "message_delta"


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            raise Refusal(413, "request_too_large", "Request exceeds the maximum size")
    return bytes(body)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        body: object = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refusal.invalid("The request body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Refusal.invalid("The request body is not a JSON object.")
    return cast("dict[str, Any]", body)


def _refused(refusal: Refusal, received: ReceivedRequest) -> Response:
    response = _json(refusal.as_json(received.request_id), received, status=refusal.status)
    if refusal.retry_after_s is not None:
        response.headers["retry-after"] = f"{refusal.retry_after_s:g}"
    return response


def _json(
    value: dict[str, Any],
    received: ReceivedRequest,
    *,
    status: int = 200,
    background: BackgroundTask | None = None,
) -> Response:
    return Response(
        orjson.dumps(value),
        status_code=status,
        media_type="application/json",
        headers={"request-id": received.request_id},
        background=background,
    )


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _abort_unsupported(scope: Scope) -> None:
    raise ConnectionResetError("told to drop the connection, and only StandinServer can")
