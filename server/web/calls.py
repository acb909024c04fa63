"""``POST /api/query|mutation|action/{function}``."""

from starlette.requests import Request
from starlette.responses import Response

from server.core.errors import Malformed
from server.runtime import Answer
from server.web.auth import caller_of
from server.web.body import json_object
from server.web.services import Services, services_of

__all__ = ["call_action", "call_mutation", "call_query"]

_CLIENT_LENGTH_MAX = 64


async def call_query(request: Request) -> Response:
    """Run a query once."""
    services = services_of(request)
    caller = await caller_of(request, services.authenticate)
    name = request.path_params["function"]
    answer = await services.runtime.query(name, await json_object(request), caller)
    return _answer(answer, services, 200)


async def call_mutation(request: Request) -> Response:
    """Run a mutation."""
    services = services_of(request)
    caller = await caller_of(request, services.authenticate)
    answer = await services.runtime.mutation(
        request.path_params["function"],
        await json_object(request),
        caller,
        key=request.headers.get("idempotency-key"),
        client=_client(request),
    )
    return _answer(answer, services, 200)


async def call_action(request: Request) -> Response:
    """Start an action; 202 with what it responds, or 200 with what it returns if waited for."""
    services = services_of(request)
    caller = await caller_of(request, services.authenticate)
    wait = _wait(request)
    answer = await services.actions.call(
        request.path_params["function"],
        await json_object(request),
        caller,
        key=request.headers.get("idempotency-key"),
        wait=wait,
    )
    return _answer(answer, services, 200 if wait else 202)


def _wait(request: Request) -> bool:
    match request.query_params.get("wait", "false").lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case _:
            raise Malformed("wait is true or false.")


def _client(request: Request) -> str | None:
    client = request.headers.get("headwater-client")
    if client is not None and not 0 < len(client) <= _CLIENT_LENGTH_MAX:
        raise Malformed(f"Headwater-Client has 1 to {_CLIENT_LENGTH_MAX} characters.")
    return client


def _answer(answer: Answer, services: Services, status: int) -> Response:
    position = services.position(answer.time).encode("ascii")
    body = b'{"value":%b,"position":"%b"}' % (answer.value, position)
    headers = {"Cache-Control": "no-store"}
    return Response(body, status, headers, media_type="application/json")
