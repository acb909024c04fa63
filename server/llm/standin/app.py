"""The stand-in as an application: ``POST /v1/messages``, streaming and not.

It refuses what Claude's API refuses, answers from its script, and improvises when that is empty.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.llm.standin.prose import improvise
from server.llm.standin.refusal import Refusal
from server.llm.standin.requests import Outcome, ReceivedRequest
from server.llm.standin.script import (
    Dropped,
    ErrorEvent,
    Failure,
    Reply,
    Script,
    Stalled,
    StatusError,
)
from server.llm.standin.validation import check_body, check_headers, key_of
from server.llm.standin.wire import PING, Answer, WireEvent, encoded

__all__ = ["DELTAS_PER_SECOND", "Standin", "create_standin"]

DELTAS_PER_SECOND = 40.0
"""The pace of an improvised reply."""

_BODY_BYTES_MAX = 32 * 1024 * 1024  # the real API's limit
_REQUESTS_KEPT_MAX = 256
_PAUSED_KEPT_MAX = 64


class Standin:
    """What one stand-in knows: its script, and what it was asked.

    Args:
        script: What to say; None improvises.
        deltas_per_second: The pace of improvised replies; ``inf`` for at once.
    """

    def __init__(
        self, script: Script | None = None, *, deltas_per_second: float = DELTAS_PER_SECOND
    ) -> None:
        self.script = script if script is not None else Script()
        self.requests: deque[ReceivedRequest] = deque(maxlen=_REQUESTS_KEPT_MAX)
        """The last requests, oldest first, malformed ones included."""
        self.closing = asyncio.Event()
        """Set to end all open streams."""
        self.abort: Callable[[Scope], None] = _abort_unsupported
        """How to reset a request's connection; the server that runs the application knows."""
        self._deltas_per_second = deltas_per_second
        self._count = 0
        self._paused: deque[bytes] = deque(maxlen=_PAUSED_KEPT_MAX)

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
            check_body(received.body, is_paused=self._is_paused(received.body))
            reply = self.script.take() or improvise(
                received.body, deltas_per_second=self._deltas_per_second
            )
            if isinstance(reply.failure, StatusError):
                failure = reply.failure
                raise Refusal(
                    failure.status, failure.error_type, failure.message, failure.retry_after_s
                )
        except Refusal as refusal:
            received.end("refused")
            return _refused(refusal, received)
        return self._answered(received, reply)

    def _answered(self, received: ReceivedRequest, reply: Reply) -> Response:
        digest = hashlib.sha256(f"{self._count} {received.request_id}".encode()).hexdigest()[:20]
        answer = Answer(f"msg_standin_{digest}", received.body["model"], reply, received.body)
        if reply.ends_with == "pause_turn":
            self._paused.append(_fingerprint(answer.message()["content"]))
        if received.body.get("stream"):
            return _StreamedAnswer(self, received, answer)
        return _json(
            answer.message(),
            received,
            background=BackgroundTask(received.end, "answered"),
        )

    def _is_paused(self, body: dict[str, Any]) -> bool:
        match body.get("messages"):
            case [*_, {"role": "assistant", "content": content}]:
                return _fingerprint(content) in self._paused
            case _:
                return False


class _StreamedAnswer(Response):
    """The events of one answer, at their pace, ending as the script says."""

    media_type = "text/event-stream; charset=utf-8"

    def __init__(self, standin: Standin, received: ReceivedRequest, answer: Answer) -> None:
        super().__init__(headers={"request-id": received.request_id, "cache-control": "no-cache"})
        del self.headers["content-length"]
        self._standin = standin
        self._received = received
        self._answer = answer

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
        async for event in self._paced():
            await send({"type": "http.response.body", "body": encoded(event), "more_body": True})
        if self._ends_in_failure:
            self._received.end("failed as told")
        if isinstance(self._answer.reply.failure, Dropped):
            self._standin.abort(scope)
            await asyncio.Event().wait()  # until the disconnection is noticed

    @property
    def _ends_in_failure(self) -> bool:
        failure = self._answer.reply.failure
        return failure is not None and not isinstance(failure, Stalled)

    async def _paced(self) -> AsyncIterator[WireEvent]:
        reply = self._answer.reply
        failure = reply.failure
        loop = asyncio.get_running_loop()
        due_at = loop.time() + reply.delay_ms / 1000
        sent = 0
        for event in self._answer.events():
            if failure is not None and _is_due(failure, sent, event):
                async for extra in self._fail(failure):
                    yield extra
                if self._ends_in_failure:
                    return
                failure, due_at = None, loop.time()
            if event.is_delta:
                # Against the clock, not from delta to delta, so that the pace is kept under load.
                await asyncio.sleep(max(0.0, due_at - loop.time()))
                due_at += reply.delta_interval_ms / 1000
                sent += 1
            yield event

    async def _fail(self, failure: Failure) -> AsyncIterator[WireEvent]:
        match failure:
            case ErrorEvent():
                refusal = Refusal(200, failure.error_type, failure.message)
                yield WireEvent(refusal.as_json(self._received.request_id))
            case Stalled(until=until, ping_interval_ms=interval_ms):
                until = until or asyncio.Event()
                while not until.is_set():
                    try:
                        async with asyncio.timeout(interval_ms and interval_ms / 1000):
                            await until.wait()
                    except TimeoutError:
                        yield PING
            case _:
                pass


def create_standin(
    script: Script | None = None, *, deltas_per_second: float = DELTAS_PER_SECOND
) -> Starlette:
    """The stand-in as an ASGI application; ``app.state.standin`` is its `Standin`."""
    standin = Standin(script, deltas_per_second=deltas_per_second)
    app = Starlette(routes=[Route("/v1/messages", standin.answer, methods=["POST"])])
    app.state.standin = standin
    return app


def _is_due(failure: Failure, sent: int, event: WireEvent) -> bool:
    """Whether `failure` comes before `event`: right after its last delta, or before the first."""
    if isinstance(failure, StatusError):
        return False
    is_begun = event.is_delta or sent > 0
    return (is_begun and sent >= failure.after) or event.data["type"] == "message_delta"


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


def _fingerprint(content: object) -> bytes:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _abort_unsupported(scope: Scope) -> None:
    raise ConnectionResetError("told to drop the connection, and only StandinServer can")
