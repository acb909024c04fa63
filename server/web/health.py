"""For whoever starts and stops servers: is the process alive, can it serve."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.core.errors import Unavailable
from server.web.services import services_of

__all__ = ["healthz", "readyz"]


async def healthz(_: Request) -> Response:
    """200 while the process answers at all."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """200 while the change stream is open and MongoDB answers; else 503, with the reason."""
    services = services_of(request)
    if not services.feed.healthy:
        raise Unavailable(
            "The change stream is closed: the database cannot be reached. Trying again."
        )
    position = services.position(services.feed.position)
    return JSONResponse({"status": "ready", "position": position, "build": services.build})
