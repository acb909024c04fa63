"""The tools that a workspace has for Claude, each with what Claude is told of it."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.sidecar import limits
from server.sidecar.command import OutputStream, run_command
from server.sidecar.confined import Confined
from server.sidecar.paths import Refused

__all__ = ["NAMES", "Tools", "offers"]

OnOutput = Callable[[OutputStream, str], None]
RelativePath = Annotated[str, Field(description="Relative to the workspace.")]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ReadFile(_Arguments):
    """Read a text file of the workspace, 200,000 bytes at a time.

    Where there is more, the answer's `nextOffset` says from where to go on.
    """

    path: RelativePath
    offset: Annotated[int, Field(ge=0, lt=2**53, description="In bytes.")] = 0


class WriteFile(_Arguments):
    """Write a whole text file of the workspace, and the directories that lead to it."""

    path: RelativePath
    content: str


class ListFiles(_Arguments):
    """List a directory of the workspace; recursively without what is in .git, node_modules etc."""

    path: RelativePath = "."
    recursive: bool = False


class RunCommand(_Arguments):
    """Run a command by /bin/sh in the workspace, and wait for its end.

    It has no input, and all that it leaves running is killed when it ends. Long output has its
    middle left out.
    """

    command: Annotated[str, Field(min_length=1, max_length=20_000)]
    directory: Annotated[str, Field(description="Where, relative to the workspace.")] = "."
    timeout_seconds: Annotated[int, Field(ge=1, le=limits.COMMAND_SECONDS_MAX)] = (
        limits.COMMAND_SECONDS
    )


_TOOLS: dict[str, type[_Arguments]] = {
    "read_file": ReadFile,
    "write_file": WriteFile,
    "list_files": ListFiles,
    "run_command": RunCommand,
}
_IDEMPOTENT = {"read_file", "write_file", "list_files"}
NAMES = frozenset(_TOOLS)
"""What the tools are called."""


def offers(*, approval: bool = False) -> list[dict[str, Any]]:
    """What ``streaming.streamChatWithTools`` is given as `tools` to offer all of these.

    Args:
        approval: Whether a person must allow each command.
    """
    return [_offer(name, model, approval) for name, model in _TOOLS.items()]


def _offer(name: str, model: type[_Arguments], approval: bool) -> dict[str, Any]:
    schema = model.model_json_schema()
    properties = {
        key: {what: value for what, value in one.items() if what != "title"}
        for key, one in schema["properties"].items()
    }
    offer: dict[str, Any] = {
        "name": name,
        "description": schema["description"],
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": schema.get("required", []),
        },
        "idempotent": name in _IDEMPOTENT,
    }
    if name == "run_command":
        offer |= {"approval": approval, "timeoutMs": (limits.COMMAND_SECONDS_MAX + 60) * 1000}
    return offer


class Tools:
    """The tools at work in one directory.

    Args:
        directory: Where.
        environment: What commands see.
    """

    def __init__(self, directory: Confined, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = environment

    async def run(self, name: str, arguments: Mapping[str, Any], on_output: OnOutput) -> Any:
        """What Claude is told of a call that was made.

        Args:
            name: One of `NAMES`.
            arguments: As Claude gave them.
            on_output: Called with what a command writes.

        Raises:
            Refused: It could not be done.
        """
        try:
            asked = _TOOLS[name].model_validate(arguments)
        except ValidationError as error:
            raise Refused(_misfits(name, error)) from None
        match asked:
            case ReadFile(path=path, offset=offset):
                return await asyncio.to_thread(self._read, path, offset)
            case WriteFile(path=path, content=content):
                return await asyncio.to_thread(self._write, path, content)
            case ListFiles(path=path, recursive=recursive):
                return await asyncio.to_thread(self._list, path, recursive)
            case RunCommand():
                return await self._run(asked, on_output)
            case _:
                raise AssertionError(name)

    def _read(self, path: str, offset: int) -> dict[str, Any]:
        data, size = self._directory.read(path, offset)
        if b"\0" in data:
            raise Refused(f"{path!r} is no text: it contains NUL.")
        end = offset + len(data)
        try:
            content = data.decode()
        except UnicodeDecodeError as error:
            # A character that the end of the slice cuts is left for the next one.
            if end >= size or error.reason != "unexpected end of data":
                raise Refused(f"{path!r} is no text in UTF-8 from byte {offset} on.") from None
            content, end = data[: error.start].decode(), offset + error.start
        more = {"nextOffset": end} if end < size and data else {}
        return {"content": content, "size": size, **more}

    def _write(self, path: str, content: str) -> dict[str, Any]:
        try:
            data = content.encode()
        except UnicodeEncodeError:
            raise Refused("The content contains half a character.") from None
        if len(data) > limits.WRITE_BYTES_MAX:
            raise Refused(
                f"The content has {len(data)} bytes; the limit is {limits.WRITE_BYTES_MAX}."
            )
        return {"created": self._directory.write(path, data), "size": len(data)}

    def _list(self, path: str, recursive: bool) -> dict[str, Any]:
        found = self._directory.entries(path, recursive=recursive)
        entries = list(islice(found, limits.LISTED_MAX + 1))
        listed = [
            {"path": one.path, "type": one.kind} | ({} if one.size is None else {"size": one.size})
            for one in entries[: limits.LISTED_MAX]
        ]
        return {"entries": listed, "complete": len(entries) <= limits.LISTED_MAX}

    async def _run(self, asked: RunCommand, on_output: OnOutput) -> dict[str, Any]:
        if "\0" in asked.command:
            raise Refused("A command cannot contain NUL.")
        folder: Path = await asyncio.to_thread(self._directory.folder_path, asked.directory)
        on_output("stdout", f"$ {asked.command}\n")
        try:
            outcome = await run_command(
                asked.command, folder, self._environment, asked.timeout_seconds, on_output
            )
        except (OSError, ValueError) as error:
            raise Refused(f"The command cannot be started ({type(error).__name__}).") from None
        wrote = f"\nstdout:\n{outcome.stdout}\nstderr:\n{outcome.stderr}"
        if outcome.ending == "timed_out":
            said = f"It was killed because it took longer than {asked.timeout_seconds} s."
            on_output("stderr", f"\n[{said}]\n")
            raise Refused(said + wrote)
        if outcome.ending == "flooded":
            said = f"It was killed because it wrote more than {limits.FLOOD_BYTES_MAX:,} bytes."
            on_output("stderr", f"\n[{said}]\n")
            raise Refused(said + wrote)
        return {"exitCode": outcome.exit_code, "stdout": outcome.stdout, "stderr": outcome.stderr}


def _misfits(name: str, error: ValidationError) -> str:
    """Which arguments do not fit, without what they are."""
    misfits = [
        f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}"
        for one in error.errors(include_url=False, include_input=False)[:10]
    ]
    return f"{name} cannot take these arguments. " + "; ".join(misfits) + "."
