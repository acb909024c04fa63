"""``/docs``: the OpenAPI page, by Swagger UI, from this server alone.

Its files come from the package ``swagger-ui-bundle-v2``; nothing is fetched from elsewhere, and
the page's policy forbids it. All addresses are relative, so that it works wherever it is mounted.
"""

import importlib.util
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from server.core.errors import NotFound

__all__ = ["docs", "docs_file", "swagger_ui"]

_TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Headwater: functions</title>
    <link rel="icon" href="browser/page/mark.svg" type="image/svg+xml">
    <link rel="stylesheet" href="docs/{version}/swagger-ui.css">
    <script src="docs/{version}/swagger-ui-bundle.js" defer></script>
    <script src="browser/page/docs.js" type="module"></script>
  </head>
  <body>
    <div id="docs"></div>
    <noscript>This page needs JavaScript; openapi.json says the same.</noscript>
  </body>
</html>
"""


@cache
def swagger_ui() -> Path | None:
    """The folder of Swagger UI, whose name ends in its version; None where it is not installed."""
    # Looked up and not imported: the package is a folder of files, and its code of no use here.
    spec = importlib.util.find_spec("swagger_ui_bundle")
    for place in (spec and spec.submodule_search_locations) or ():
        for folder in sorted(Path(place, "vendor").glob("swagger-ui-5.*")):
            return folder
    return None


def _folder() -> Path:
    folder = swagger_ui()
    if folder is None:
        raise NotFound(
            "Swagger UI is not installed here; /openapi.json says the same, or install "
            "swagger-ui-bundle-v2."
        )
    return folder


async def docs(_: Request) -> Response:
    """The page."""
    version = _folder().name.rpartition("-")[2]
    headers = _HEADERS | {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    return HTMLResponse(_PAGE.replace("{version}", version), headers=headers)


async def docs_file(request: Request) -> Response:
    """One of its files, which stays what it is for as long as its version is in the address."""
    folder, name = _folder(), str(request.path_params["name"])
    version = str(request.path_params["version"])
    if name not in _TYPES or folder.name != f"swagger-ui-{version}":
        raise NotFound(f"There is no file {name[:100]!r}.")
    headers = _HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(folder / name, headers=headers, media_type=_TYPES[name])
