"""``headwater transcript``: what was sent to Claude in a task, and what came back."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from schemas.tasks import Task
from schemas.transcripts import TranscriptEntry
from server.cli.printable import printable
from server.core.errors import StartupError
from server.settings import Settings

__all__ = ["transcript"]

_SYNTHETIC = {
    "cut": "as far as it came",
    "continue": "written by Headwater",
    "retracted": "taken back",
}
_STYLES = {"user": "bold green", "assistant": "bold blue"}


def transcript(
    task: Annotated[str, typer.Argument(help="The task's id.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each entry as one line of JSON, for programs.")
    ] = False,
) -> None:
    """Print the verbatim record of a task: what was sent to Claude, and what came back.

    It reads HEADWATER_MONGODB_URI, or the embedded MongoDB, also while a server runs. With --json
    `content` is the text that was stored, itself JSON, byte for byte.
    """
    entries = asyncio.run(_entries(task))
    if as_json:
        for entry in entries:
            print(entry.model_dump_json(by_alias=True))  # for a program to read
        return
    console = Console(soft_wrap=True, highlight=False)
    if not entries:
        console.print("Claude has not been asked anything in this task yet.")
    for entry in entries:
        console.print(_shown(entry))


async def _entries(task_id: str) -> list[TranscriptEntry]:
    """The entries of a task, in order.

    Raises:
        StartupError: There is no such task, or no database, or it cannot be read.
    """
    from server.cli.database import database_at  # here, because other commands need no driver
    from server.store.connection import connect_client, database_name
    from server.store.deployment import check_deployment

    async with database_at(Settings(), reads=True) as (uri, shown):
        client = await connect_client(uri, app_name="headwater transcript")
        async with client:
            await check_deployment(client, database_name(uri))
            database = client[database_name(uri)]
            entries = database[TranscriptEntry.collection].find({"taskId": task_id})
            found = await entries.sort("number", 1).to_list()
            known = found or await database[Task.collection].find_one({"_id": task_id})
    if not known:
        raise StartupError(
            f"There is no task {printable(task_id[:100])!r} in the database at {shown}."
        )
    return [TranscriptEntry.model_validate(one) for one in found]


def _shown(entry: TranscriptEntry) -> Text:
    """A head, and what was said, indented."""
    text = Text()
    text.append(f"{entry.number:>4}  ", style="dim")
    text.append(f"{entry.kind:<9} ", style=_STYLES.get(entry.role or "", "bold"))
    head = [f"{entry.role or '-':<9}", *_facts(entry)]
    text.append("  ".join(head).rstrip(), style="dim")
    said = _base(entry) if entry.kind == "base" else _blocks(json.loads(entry.content))
    for line in said:
        text.append(f"\n      {line}")
    return text


def _facts(entry: TranscriptEntry) -> Iterator[str]:
    if entry.kind in _SYNTHETIC:
        yield f"[{_SYNTHETIC[entry.kind]}]"
    if entry.stop_reason is not None:
        yield printable(entry.stop_reason)
    if entry.usage is not None:
        counted = json.loads(entry.usage)
        read = counted["cache_read_input_tokens"]
        prompt = counted["input_tokens"] + counted["cache_creation_input_tokens"] + read
        yield f"{prompt} tokens in ({read} cached), {counted['output_tokens']} out"
    if entry.request_id is not None:
        yield printable(entry.request_id)
    if entry.message_id is not None:
        yield f"message {printable(entry.message_id)}"


def _base(entry: TranscriptEntry) -> Iterator[str]:
    """What the requests from here on have in common."""
    said = json.loads(entry.content)
    yield f"model {printable(str(said['model']))}"
    if said["system"] is not None:
        yield from _labelled("system", said["system"])
    for tool in said["tools"]:
        yield f"tool {printable(tool['name'])}"
    if said["first"]:
        yield f"what is before {said['first']} stays behind"
    if said["thinkingFrom"]:
        yield f"thinking from before {said['thinkingFrom']} stays behind"


def _blocks(blocks: Iterable[dict[str, Any]]) -> Iterator[str]:
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                cited = f" ({len(block['citations'])} citations)" if block.get("citations") else ""
                yield from _labelled(f"text{cited}", text)
            case {"type": "thinking", "thinking": str(text)}:
                yield from _labelled("thinking" if text else "thinking, not shown", text)
            case {"type": "tool_use", "id": id_, "name": name}:
                yield from _labelled(f"tool_use {name} {id_}", _json(block["input"]))
            case {"type": "tool_result", "tool_use_id": id_}:
                failed = " failed" if block.get("is_error") else ""
                content = block.get("content", "")
                said = content if isinstance(content, str) else _json(content)
                yield from _labelled(f"tool_result {id_}{failed}", said)
            case {"type": kind}:
                yield from _labelled(str(kind), _json(block))
            case _:
                yield printable(_json(block))


def _labelled(label: str, said: str) -> Sequence[str]:
    """`said` behind its label where it is one line, and else under it."""
    lines = [printable(line) for line in said.split("\n")]
    if len(lines) == 1:
        return [f"{printable(label)}: {lines[0]}" if lines[0] else printable(label)]
    return [f"{printable(label)}:", *(f"  {line}" for line in lines)]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
