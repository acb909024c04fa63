"""The catalog: names, tables, and what may not be there twice."""

import sys
from types import ModuleType
from typing import Any

import pytest

import server.functions
from schemas.document import Document
from schemas.tasks import Task
from server.app import create_app
from server.core.errors import StartupError, UnknownFunction
from server.runtime import Catalog, QueryCtx, query
from server.runtime.functions import Kind
from server.settings import Settings
from tests import board


def module(name: str, source: str = "", **values: Any) -> ModuleType:
    """A module whose functions are its own, as if it had been imported."""
    made = ModuleType(name)
    head = (
        "from server.runtime import *\n"
        "from server.runtime import QueryCtx, MutationCtx, ActionCtx, query, mutation, action\n"
    )
    exec(head + source, made.__dict__)
    made.__dict__.update(values)
    return made


def names(*modules: ModuleType | str) -> list[str]:
    return [name for name, _ in Catalog(modules)]


LIST = "@query\ndef list_all(ctx: QueryCtx): ...\n"


def test_a_wire_name_is_the_modules_last_component_and_the_function() -> None:
    assert names(module("my.deep.tool_calls", LIST)) == ["toolCalls.listAll"]


def test_a_script_is_called_after_its_file() -> None:
    script = module("__main__", LIST, __file__="/somewhere/chat_room.py")
    assert names(script) == ["chatRoom.listAll"]


def test_the_application_is_called_by_its_documented_names() -> None:
    public = [name for name, one in Catalog(server.functions.ALL) if not one.internal]
    assert public == [
        "fileChanges.byTask",
        "fileChanges.deleteByTask",
        "fileChanges.record",
        "messages.byTask",
        "messages.get",
        "presence.broadcastActivity",
        "presence.getActiveUsers",
        "presence.getRecentActivities",
        "presence.removePresence",
        "presence.updatePresence",
        "streaming.cancelStream",
        "streaming.resumeStream",
        "streaming.streamChat",
        "streaming.streamChatWithTools",
        "tasks.create",
        "tasks.get",
        "tasks.getWorkspaceStatus",
        "tasks.list",
        "tasks.remove",
        "tasks.update",
        "tasks.workspaceHeartbeat",
        "terminalOutput.append",
        "terminalOutput.byTask",
        "terminalOutput.deleteByTask",
        "toolCallTracking.approve",
        "toolCallTracking.byMessage",
        "toolCallTracking.byTask",
        "toolCallTracking.byToolCallId",
        "toolCallTracking.claim",
        "toolCallTracking.create",
        "toolCallTracking.deleteByTask",
        "toolCallTracking.deny",
        "toolCallTracking.pending",
        "toolCallTracking.release",
        "toolCallTracking.updateResult",
        "toolLogs.begin",
        "toolLogs.byTask",
        "toolLogs.deleteByTask",
        "toolLogs.finish",
        "users.get",
        "users.upsert",
    ]


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(StartupError, match=r"'tasks\.listAll'"):
        names(module("a.tasks", LIST), module("b.tasks", LIST))
    with pytest.raises(StartupError, match=r"'tasks\.listAll'"):
        names(module("tasks", LIST + LIST.replace("list_all", "listAll")))


def test_a_module_that_is_named_twice_counts_once() -> None:
    assert names(board, board, board.__name__) == names(board)


def test_functions_that_a_module_imports_are_not_its_own() -> None:
    assert names(module("mine", LIST, create=board.add)) == ["mine.listAll"]


def test_a_module_may_name_itself() -> None:
    made = module("one_file", LIST)
    sys.modules["one_file"] = made
    try:
        assert names("one_file") == ["oneFile.listAll"]
    finally:
        del sys.modules["one_file"]


def test_a_module_that_has_nothing_is_refused_with_the_cure() -> None:
    with pytest.raises(StartupError, match="comes below"):
        Catalog([module("empty")])


def test_a_module_may_have_tables_alone() -> None:
    assert Catalog([module("tables", Task=Task)]).tables == (Task,)


def test_tables_are_those_that_modules_define_or_import() -> None:
    made = module("mine", LIST, Task=Task, Again=Task, Base=Document)
    assert Catalog([made]).tables == (Task,)


def test_two_tables_of_one_collection_are_refused() -> None:
    class Other(Document, collection="tasks"):
        pass

    with pytest.raises(StartupError, match="'tasks'"):
        Catalog([module("mine", LIST, Task=Task, Other=Other)])


def test_a_public_function_is_found_by_kind() -> None:
    catalog = Catalog([board])
    assert catalog.find("board.notes", "query") is board.notes
    wrong: list[tuple[str, Kind]] = [
        ("board.notes", "mutation"),
        ("board.add", "query"),
        ("board.secrets", "query"),
        ("board.nope", "query"),
        ("", "action"),
    ]
    for name, kind in wrong:
        with pytest.raises(UnknownFunction):
            catalog.find(name, kind)


def test_a_built_in_function_that_an_app_leaves_out_is_told_with_the_cure() -> None:
    app = create_app(Settings(standin=True), functions=[board]).catalog
    kinds: list[Kind] = ["action", "query"]
    for kind in kinds:
        with pytest.raises(UnknownFunction, match=r"functions=\[\*server\.functions\.ALL, …\]"):
            app.find("streaming.streamChat", kind)
    for name in ("streaming.cancelReply", "streaming.resumeExpired", "board.nope"):  # not public
        with pytest.raises(UnknownFunction, match="There is no action"):
            app.find(name, "action")
    both = create_app(Settings(standin=True), functions=[*server.functions.ALL, board]).catalog
    assert both.find("streaming.streamChat", "action")
    with pytest.raises(UnknownFunction, match=r"There is no action 'streaming\.chat'"):
        both.find("streaming.chat", "action")


def test_internal_functions_are_listed_for_the_server_only() -> None:
    listed = dict(Catalog([board]))
    assert listed["board.secrets"].internal
    assert not listed["board.notes"].internal


def build(*modules: ModuleType, database: str = "d") -> str:
    return Catalog(modules).build(database)


def test_a_build_tells_databases_and_tables_apart() -> None:
    def with_table(**fields: Any) -> ModuleType:
        namespace = {"__annotations__": fields, "__module__": "m"}
        made = type(Document)("Thing", (Document,), namespace, collection="things")
        return module("mine", LIST, Thing=made)

    builds = [
        build(board),
        build(board, database="other"),
        build(with_table(title=str)),
        build(with_table(title=int)),
        build(with_table(title=str, body=str)),
    ]
    assert len(set(builds)) == len(builds)
    assert build(with_table(title=str)) == build(with_table(title=str))
    assert all(len(one) == 6 and one.isalnum() and one == one.lower() for one in builds)


def test_a_build_tells_sources_apart(tmp_path: Any) -> None:
    file = tmp_path / "mine.py"
    file.write_text("one")
    one = build(module("mine", LIST, __file__=str(file)))
    file.write_text("two")
    assert build(module("mine", LIST, __file__=str(file))) != one


def test_decorating_registers_nothing() -> None:
    before = names(board)

    @query
    def stray(ctx: QueryCtx) -> None: ...

    assert names(board) == before
