"""What is served to a browser, besides answers."""

import re

from tests import card_app
from tests.serving import serving


async def test_an_app_without_the_built_in_functions_lists_its_own(database_uri: str) -> None:
    async with serving(database_uri, [card_app]) as server:
        page = await server.http.get("/")
        assert page.status_code == 200
        assert "cardApp.cards" in page.text
        assert "tasks.list" not in page.text


async def test_the_built_in_app_has_its_page_and_serves_nothing_else_from_there(
    database_uri: str,
) -> None:
    async with serving(database_uri) as server:
        page = await server.http.get("/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "{{" not in page.text
        assert (
            (await server.http.get("/browser/client.js"))
            .headers["content-type"]
            .startswith("text/javascript")
        )
        for name in ("tsconfig.json", "package.json", "..%2fapp.py", "nothing.js", "index.html"):
            assert (await server.http.get(f"/browser/{name}")).status_code == 404, name


async def test_whatever_the_page_names_is_there(database_uri: str) -> None:
    async with serving(database_uri) as server:
        page = (await server.http.get("/")).text
        named: list[str] = re.findall(r'(?:href|src)="(browser/[^"]+)"', page)
        sheets = [name for name in named if name.endswith(".css")]
        assert (sheets[0], sheets[-1]) == (
            "browser/elements/theme.css",
            "browser/page/narrow.css",
        )
        for name in named:
            assert (await server.http.get(f"/{name}")).status_code == 200, name
