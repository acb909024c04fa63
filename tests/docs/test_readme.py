"""What README shows runs as it stands there."""

import re
from pathlib import Path

import httpx2
import pytest

from server.cli.serve import load_app
from tests.serving import http_server
from tests.sse import Follower

README = Path(__file__).parents[2] / "README.md"


async def test_the_app_in_the_readme_runs(
    database_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    file = tmp_path / "notes.py"
    file.write_text(source, "utf-8")
    monkeypatch.setenv("HEADWATER_MONGODB_URI", database_uri)
    app = load_app(f"{file}:app")
    async with (
        app.lifespan(),
        http_server(app) as url,
        httpx2.AsyncClient(base_url=url, timeout=20) as http,
    ):
        follower = Follower(http, {"n": ("notes.byBoard", {"board": "x"})})
        async with follower.following():
            await follower.until(lambda f: f.values == {"n": []})
            made = await http.post("/api/mutation/notes.add", json={"board": "x", "text": "Hello"})
            assert made.status_code == 200
            await follower.until(lambda f: f.values == {"n": [made.json()["value"]]})
