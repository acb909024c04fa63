"""The page at ``/`` and the modules behind it, served as they are written."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.core.errors import NotFound
from server.runtime import Function
from server.web.services import services_of

__all__ = ["browser_file", "page"]

_FOLDER = Path(__file__).resolve().parent.parent / "browser"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_USED = frozenset({"tasks.list", "tasks.create", "messages.byTask", "streaming.streamChat"})
"""The functions without which the built-in page is of no use."""
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
    """The page of the built-in application; of any other, a list of its functions."""
    services = services_of(request)
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
    names = {name: one for name, one in services.runtime.catalog if not one.internal}
    if not _USED.issubset(names):
        return HTMLResponse(_listing(names), headers=headers)
    html = (_FOLDER / "page" / "index.html").read_text("utf-8")
    standin = "true" if services.standin else "false"
    return HTMLResponse(html.replace("{{standin}}", standin), headers=headers)


def _listing(functions: Mapping[str, Function[..., Any]]) -> str:
    """What there is to call, for whoever opens an app that has no page of its own."""
    rows = "".join(
        f"<li><code>{escape(name)}</code> {one.kind}. {escape(_summary(one))}</li>"
        for name, one in functions.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Headwater</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="browser/page/listing.css">'
        f"<h1>Headwater</h1><p>This app has {len(functions)} functions, and no page of its own. "
        'They are described, and can be tried, in <a href="docs">docs</a>; browsers use '
        f'<a href="browser/client.js">client.js</a>.</p><ul>{rows}</ul>'
    )


def _summary(function: Function[..., Any]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]


async def browser_file(request: Request) -> Response:
    """One module, style sheet or image of the page."""
    name: str = request.path_params["name"]
    path = (_FOLDER / name).resolve()
    media_type = _TYPES.get(path.suffix)
    if media_type is None or not path.is_relative_to(_FOLDER) or not path.is_file():
        raise NotFound(f"There is no file {name[:100]!r}.")
    return Response(path.read_bytes(), headers=_HEADERS, media_type=media_type)
