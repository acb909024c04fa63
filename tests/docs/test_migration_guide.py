"""What MIGRATION shows runs as it stands there; what it names exists."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

import server.functions
from scripts.node_packages import BROWSER, NoPackages, node_packages, run_node
from server.cli.target import load_app
from server.runtime import Catalog
from tests.serving import http_server
from tests.sse import Follower

GUIDE = (Path(__file__).parents[2] / "MIGRATION.md").read_text("utf-8")
TOKEN = "what the old system knows"


async def test_the_module_in_the_guide_runs(
    database_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    file = tmp_path / "moving.py"
    file.write_text(source, "utf-8")
    monkeypatch.setenv("HEADWATER_MONGODB_URI", database_uri)
    monkeypatch.setenv("OLD_SYSTEM_TOKEN", TOKEN)
    app = load_app(f"{file}:app")
    vars(sys.modules.pop("moving"))["users_by_session"]["s"] = "ada"

    async with app.lifespan(), http_server(app) as url:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        old = httpx2.AsyncClient(base_url=url, headers=bearer, timeout=60)
        ada = httpx2.AsyncClient(base_url=url, cookies={"session": "s"}, timeout=60)
        stranger = httpx2.AsyncClient(base_url=url, timeout=60)

        async def call(who: Any, path: str, **arguments: Any) -> Any:
            answer = await who.post(f"/api/{path}", json=arguments)
            return answer.status_code, answer.json().get("value", answer.json().get("error"))

        async with old, ada, stranger:
            legacy = "j57aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            for _ in range(2):
                status, task = await call(
                    old, "mutation/moving.adopt", taskId=legacy, title="T", userId="ada"
                )
                assert (status, task["_id"], task["userId"]) == (200, legacy, "ada")
            for who, expected in ((ada, 403), (stranger, 401)):
                status, _ = await call(who, "mutation/moving.adopt", taskId="x", title="T")
                assert status == expected
            status, _ = await call(ada, "mutation/moving.create", taskId="none", content="x")
            assert status == 404
            follower = Follower(ada, {"t": ("moving.byTask", {"taskId": legacy})})
            async with follower.following():
                todos: list[Any] = []
                for content in ("one", "two", "three"):
                    _, todo = await call(
                        ada, "mutation/moving.create", taskId=legacy, content=content
                    )
                    todos.append(todo)
                _, todos[1] = await call(
                    ada,
                    "mutation/moving.updateStatus",
                    todoId=todos[1]["_id"],
                    status="IN_PROGRESS",
                )
                await follower.until(lambda f: f.values == {"t": todos})
            assert [todo["sequence"] for todo in todos] == [0, 1, 2]
            _, page = await call(ada, "query/moving.pages", taskId=legacy, size=2)
            assert (page["page"], page["isDone"]) == (todos[:2], False)
            status, _ = await call(ada, "mutation/moving.remind", todoId=todos[0]["_id"])
            assert status == 404, "it is internal"


# --- what it names -------------------------------------------------------------------------------

ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in GUIDE.splitlines()
    if line.startswith("| ")
]
OURS = "\n".join(" ".join(cells[1:]) for cells in ROWS)
"""Of every table, all columns but the first, which is theirs."""


def test_every_function_of_ours_that_it_names_exists() -> None:
    known = {name for name, _ in Catalog(server.functions.ALL)}
    modules = {name.partition(".")[0] for name in known}
    named = {
        f"{module}.{name}"
        for module, name in re.findall(r"\b(\w+)\.(\w+)\b(?!\(\()", OURS)  # no method of a list
        if module in modules
    }
    assert len(named) > 20
    assert named <= known


OLD = """
usePresence useActiveUsers useActivityBroadcast useRecentActivities useConvexChatStreaming
useStreamingMessage useStreamingToolCalls useMessageStreaming useTaskRealtime useTerminalRealtime
useTaskTerminalRealtime useHybridTask useTaskSocket useSocket TaskSocketProvider RealtimeMonitor
streamChat streamChatWithTools cancelStream resumeStream stopTask updatePresence getActiveUsers
removePresence broadcastActivity getRecentActivities listToolCallsByMessage listToolCallsByTask
getToolCallById cleanupStalePresence clientMessageId promptMessageId llmModel fromMessageId
presence activities agentTools fileChanges toolLogs terminalOutput workspaceStatus chatMessages
tasks users _id _creationTime
NEXT_PUBLIC_USE_CONVEX_REALTIME NEXT_PUBLIC_CONVEX_URL USE_CONVEX_NATIVE CONVEX_URL TASK_ID
stream-chunk stream-complete stream-error stream-state tool-call-update tool-call-history
chat-history task-status fs-change terminal-output join-task user-message stop-stream
"""


def test_every_name_of_the_old_system_is_told_of() -> None:
    told = set(re.findall(r"[\w-]+", GUIDE))
    assert [name for name in OLD.split() if name not in told] == []


def exported(file: str) -> set[str]:
    source = (BROWSER / file).read_text("utf-8")
    lists = re.findall(r"export \{(.*?)\}", source, re.DOTALL)
    return {name for one in lists for name in re.findall(r"\w+", one)}


def test_every_function_and_hook_by_name_is_told_of() -> None:
    told = set(re.findall(r"\w+", GUIDE))
    ours = exported("client.js") | exported("react.js")
    assert {"streamChat", "updatePresence", "getToolCallById", "useTask", "useWorkspace"} <= ours
    assert ours <= told


def test_every_table_of_the_application_is_told_of() -> None:
    tables = {table.collection for table in Catalog(server.functions.ALL).tables}
    assert {"tasks", "chatMessages"} <= tables
    told = {name for cells in ROWS for name in re.findall(r"^`(\w+)`$", cells[0])}
    assert tables - {"transcripts", "taskRemovals"} <= told


# --- its JavaScript ------------------------------------------------------------------------------


def test_its_javascript_fits_the_client(tmp_path: Path) -> None:
    try:
        packages = node_packages()
    except NoPackages as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(f"NO NPM: {error}")
    names: list[str] = []
    for source in re.findall(r"```jsx?\n(.*?)```", GUIDE, re.DOTALL):
        (name,) = re.findall(r"^// (\w+\.jsx?):", source)
        names.append(name)
        (tmp_path / name).write_text(source, "utf-8")
    assert {"realtime.js", "client.js", "bridge.js", "todos.jsx"} <= set(names)
    old = "export const useChatStreaming = () => {};\nexport const useMessages = () => [];\n"
    (tmp_path / "old_realtime.js").write_text(old, "utf-8")
    paths = {
        "headwater": [str(BROWSER / "client.js")],
        "headwater/react": [str(BROWSER / "react.js")],
        "react": [str(packages / "@types" / "react")],
        "react/jsx-runtime": [str(packages / "@types" / "react" / "jsx-runtime")],
    }
    options = {
        "allowJs": True, "checkJs": True, "noEmit": True, "strict": False, "jsx": "react-jsx",
        "target": "ES2022", "module": "ES2022", "moduleResolution": "bundler",
        "lib": ["ES2023", "DOM", "DOM.Iterable"], "types": [], "paths": paths, "skipLibCheck": True,
    }  # fmt: skip
    config = tmp_path / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "files": names}), "utf-8")
    checked = run_node("typescript/bin/tsc", "--project", str(config), capture=True)
    assert checked.returncode == 0, checked.stdout
