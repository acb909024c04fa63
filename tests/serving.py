"""A real server on a real port, inside the test's event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import httpx2
import uvicorn

from server.app import Headwater, create_app
from server.cli.serving import listening_socket
from server.llm.standin import Script, StandinServer
from server.llm.standin.guest import GuestServer
from server.settings import Settings

KEY = "sk-ant-test-key-0123456789"


@dataclass
class Running:
    """A server that runs."""

    url: str
    app: Headwater
    standin: StandinServer
    http: httpx2.AsyncClient
    wrote: str = ""
    """The position of the last answer: who has passed it sees what was done."""

    @property
    def script(self) -> Script:
        """What Claude will say next."""
        return self.standin.script

    async def query(self, name: str, /, **arguments: Any) -> Any:
        return await self._call("query", name, arguments)

    async def mutation(self, name: str, /, **arguments: Any) -> Any:
        return await self._call("mutation", name, arguments)

    async def action(self, name: str, /, **arguments: Any) -> Any:
        return await self._call("action", name, arguments)

    async def _call(self, kind: str, name: str, arguments: dict[str, Any]) -> Any:
        response = await self.http.post(f"/api/{kind}/{name}", json=arguments)
        assert response.status_code in (200, 202), response.text
        answer = response.json()
        self.wrote = answer["position"]
        return answer["value"]


@asynccontextmanager
async def http_server(asgi: Any, port: int = 0) -> AsyncIterator[str]:
    """Serve any ASGI app over real HTTP, without its lifespan; gives its URL."""
    listener = listening_socket("127.0.0.1", port)
    config = uvicorn.Config(
        asgi,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,  # longer than the tests' clients keep a connection
    )
    server = GuestServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        if isinstance(asgi, Headwater):
            await asgi.stop_serving()
        server.stop()
        await serving
        listener.close()


@asynccontextmanager
async def serving(
    uri: str,
    functions: Iterable[ModuleType] | None = None,
    *,
    authenticate: Any = None,
    standin: StandinServer | None = None,
    port: int = 0,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A Headwater server on the database `uri`, with a stand-in that improvises at once."""
    own = standin is None
    standin = standin or StandinServer(deltas_per_second=float("inf"))
    base_url = await standin.start() if own else standin.base_url
    try:
        app = create_app(
            Settings(
                mongodb_uri=uri,
                anthropic_api_key=KEY,
                anthropic_base_url=base_url,
                standin=False,
                **settings,
            ),
            functions,
            authenticate,
        )
        async with (
            app.lifespan(),
            http_server(app, port) as url,
            # Over plain HTTP nobody is verified; to be able to takes 50 ms.
            httpx2.AsyncClient(base_url=url, timeout=60, verify=False) as http,
        ):
            yield Running(url, app, standin, http)
    finally:
        if own:
            await standin.stop()
