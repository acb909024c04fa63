"""`headwater codegen`: what it writes is what tsc and Node make of it."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from scripts.node_packages import BROWSER, NoPackages, node_packages, run_node
from tests.headwater_command import Command, headwater
from tests.serving import Running

HERE = Path(__file__).parent
README = (HERE.parents[1] / "README.md").read_text("utf-8")
SAMPLE = HERE.parent / "browser" / "sample_app"

OPTIONS = {
    "allowJs": True,
    "strict": True,
    "noEmit": True,
    "noUncheckedIndexedAccess": True,
    "jsx": "react-jsx",
    "target": "ES2022",
    "module": "ES2022",
    "moduleResolution": "bundler",
    "lib": ["ES2023", "DOM", "DOM.Iterable"],
    "types": [],
}

MARK = re.compile(r"// @ts-expect-error.*")


async def codegen(*arguments: str, code: int = 0) -> Command:
    async with headwater("codegen", *arguments) as command:
        assert await command.ended() == code, command.said
    return command


@pytest.fixture(scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample application, one with every kind of type, and the types of both."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    (folder / "kinds").mkdir()
    for name in ("kinds_app.py", "kinds_uses.ts"):
        shutil.copy(HERE / name, folder / "kinds")
    wrong = (folder / "wrong.ts").read_text("utf-8")
    (folder / "unmarked.ts").write_text(MARK.sub("", wrong))
    (folder / "readme").mkdir()
    (notes,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (uses,) = re.findall(r"```ts\n(.*?)```", README, re.DOTALL)
    (folder / "readme" / "notes.py").write_text(notes)
    (folder / "readme" / "readme.ts").write_text(uses)
    (folder / "package.json").write_text('{"type": "module"}')
    await asyncio.gather(
        codegen("--out", str(folder / "headwater")),
        codegen(target(folder), "--out", str(folder / "kinds" / "headwater")),
        codegen(f"{folder}/readme/notes.py:app", "--out", str(folder / "readme" / "headwater")),
    )
    return folder


def target(project: Path) -> str:
    return f"{project / 'kinds' / 'kinds_app.py'}:app"


@pytest.fixture(scope="module")
def complaints(project: Path) -> dict[str, set[int]]:
    """The lines that tsc complains of, by file."""
    try:
        packages = node_packages()
    except NoPackages as error:
        why = f"NO NPM PACKAGES, and so nothing was compiled: {error}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    paths = {
        "headwater": [str(BROWSER / "client.js")],
        "headwater/react": [str(BROWSER / "react.js")],
        "*": [str(packages / "@types" / "*"), str(packages / "*")],
    }
    files = ["chat.ts", "chat.tsx", "hooks.ts", "wrong.ts", "unmarked.ts"]
    files += [
        "readme/readme.ts",
        "kinds/kinds_uses.ts",
        "kinds/headwater/api.d.ts",
        "headwater/api.d.ts",
    ]
    config = {"compilerOptions": {**OPTIONS, "paths": paths}, "files": files}
    (project / "tsconfig.json").write_text(json.dumps(config))
    ended = run_node("typescript/bin/tsc", "--project", ".", cwd=project, capture=True)
    found: dict[str, set[int]] = {}
    for file, line in re.findall(r"^(\S+)\((\d+),\d+\): error", ended.stdout, re.MULTILINE):
        found.setdefault(Path(file).name, set()).add(int(line))
    if found.keys() != {"unmarked.ts"}:
        print(ended.stdout)  # beside the failure
    return found


def test_a_sample_application_compiles_and_no_wrong_use_does(
    project: Path, complaints: dict[str, set[int]]
) -> None:
    assert not {"chat.ts", "chat.tsx", "hooks.ts", "wrong.ts"} & complaints.keys()
    # What is marked is an error where it is not marked: else nothing here could fail.
    marked = MARK.findall((project / "wrong.ts").read_text("utf-8"))
    assert len(complaints["unmarked.ts"]) == len(marked) > 25


def test_every_kind_of_type_is_what_it_should_be(complaints: dict[str, set[int]]) -> None:
    assert "kinds_uses.ts" not in complaints
    assert "api.d.ts" not in complaints


def test_the_readmes_lines_compile(complaints: dict[str, set[int]]) -> None:
    assert "readme.ts" not in complaints


async def test_at_run_time_a_function_is_its_name(project: Path) -> None:
    script = """
        import { api } from "./headwater/api.js";
        const frozen = Object.isFrozen(api) && Object.values(api).every(Object.isFrozen);
        console.log(JSON.stringify({ api, frozen }));
    """
    (project / "kinds" / "show.mjs").write_text(script)
    show = project / "kinds" / "show.mjs"
    ended = await asyncio.to_thread(run_node, show, capture=True)
    told = json.loads(ended.stdout)
    assert told["frozen"]
    names = {room: {name: f"{room}.{name}" for name in one} for room, one in told["api"].items()}
    assert told["api"] == names
    assert {"cards", "count", "delete"} <= told["api"]["kindsApp"].keys()
    assert "hidden" not in told["api"]["kindsApp"]


def test_docstrings_are_told_and_their_sections_are_not(project: Path) -> None:
    text = (project / "kinds" / "headwater" / "api.d.ts").read_text("utf-8")
    assert "    /**\n     * The cards of a board.\n     *\n     * Newest first.\n     */\n" in text
    assert "@default 50" in text
    assert "*\\/ export const broken" in text
    assert "Not told" not in text


async def test_what_has_not_changed_is_not_written_and_can_be_checked(project: Path) -> None:
    out = project / "kinds" / "headwater"
    before = (out / "api.d.ts").stat()
    await codegen(target(project), "--out", str(out))
    after = (out / "api.d.ts").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    await codegen(target(project), "--out", str(out), "--check")


async def test_a_check_finds_what_is_stale_or_missing_and_writes_nothing(
    project: Path, tmp_path: Path
) -> None:
    (tmp_path / "api.js").write_text("changed")
    stale = await codegen(target(project), "--out", str(tmp_path), "--check", code=1)
    assert "api.js and " in stale.said
    assert "api.d.ts would change; run `headwater codegen" in stale.said
    assert os.listdir(tmp_path) == ["api.js"]
    assert (tmp_path / "api.js").read_text() == "changed"


async def test_a_server_says_the_same_as_its_code(board_server: Running, tmp_path: Path) -> None:
    await codegen("--url", board_server.url, "--out", str(tmp_path / "asked"))
    (tmp_path / "board_app.py").write_text(
        "from server.app import create_app\nfrom tests import board\n"
        "app = create_app(functions=[board])\n"
    )
    await codegen(f"{tmp_path / 'board_app.py'}:app", "--out", str(tmp_path / "read"))
    for name in ("api.js", "api.d.ts"):
        asked, read = (
            (tmp_path / folder / name).read_text("utf-8").partition("\n")
            for folder in ("asked", "read")
        )
        assert asked[2] == read[2] != ""
        assert "--url …" in asked[0]
        assert "board_app.py:app" in read[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.py:app"], "There is no app at 'nowhere.py:app'"),
        (["a.py:app", "--url", "http://127.0.0.1:1"], "give --url no app"),
        (["--url", "http://127.0.0.1:1"], "127.0.0.1:1"),
        (["--watch", "--check"], "--check looks once"),
    ],
)
async def test_what_cannot_be_done_is_told(arguments: list[str], told: str, tmp_path: Path) -> None:
    command = await codegen(*arguments, "--out", str(tmp_path / "out"), code=2)
    assert told in command.said
    assert not (tmp_path / "out").exists()


async def test_it_follows_the_code(tmp_path: Path) -> None:
    source = (
        "from server.app import create_app\nfrom server.runtime import QueryCtx, query\n"
        "@query\nasync def {}(ctx: QueryCtx) -> int:\n    return 1\n"
        "app = create_app(functions=[__name__])\n"
    )
    app = tmp_path / "watched_app.py"
    app.write_text(source.format("first"))
    async with headwater(
        "codegen", f"{app}:app", "--out", str(tmp_path / "out"), "--watch"
    ) as command:
        await command.line("wrote")
        assert '"watchedApp.first"' in (tmp_path / "out" / "api.js").read_text()
        command.stdout.clear()
        app.write_text(source.format("second"))
        await command.line("wrote")
        assert '"watchedApp.second"' in (tmp_path / "out" / "api.js").read_text()
