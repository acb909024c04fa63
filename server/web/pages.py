"""The page at ``/`` and the modules behind it, served as they are written."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.core.errors import NotFound
from server.web.services import services_of

__all__ = ["browser_file", "page"]

_FOLDER = Path(__file__).parent.parent / "browser"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def page(request: Request) -> Response:
    """The page."""
    html = (_FOLDER / "index.html").read_text("utf-8")
    standin = "true" if services_of(request).standin else "false"
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
    return HTMLResponse(html.replace("{{standin}}", standin), headers=headers)


async def browser_file(request: Request) -> Response:
    """One module, style sheet or image of the page."""
    name: str = request.path_params["name"]
    path = _FOLDER / name
    media_type = _TYPES.get(path.suffix)
    if media_type is None or path.parent != _FOLDER or not path.is_file():
        raise NotFound(f"There is no file {name[:100]!r}.")
    return Response(path.read_bytes(), headers=_HEADERS, media_type=media_type)
