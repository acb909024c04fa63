"""``headwater sidecar``: a task's workspace on this machine."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from server.cli.asking import HeaderOption, headers_of
from server.cli.printable import printable
from server.cli.server_url import UrlOption, own_url
from server.client import Client, HeadwaterError
from server.core.errors import StartupError
from server.sidecar import Workspace, limits, offers, run_sidecar

__all__ = ["sidecar"]

_TRUE = {"1", "true", "yes", "on"}


def sidecar(
    task: Annotated[
        str | None, typer.Option(help="The task's _id.", metavar="ID", show_default=False)
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Its workspace.", show_default=False)
    ] = None,
    url: UrlOption = None,
    header: HeaderOption = None,
    at_once: Annotated[
        int, typer.Option(min=1, max=64, help="How many calls run at once.")
    ] = limits.CALLS_AT_ONCE_MAX,
    show_offers: Annotated[
        bool,
        typer.Option(
            "--offers", help="Print the tools as streamChatWithTools takes them, and end."
        ),
    ] = False,
    approval: Annotated[
        bool, typer.Option("--approval", help="With --offers: each command needs a person's leave.")
    ] = False,
) -> None:
    """Run Claude's calls in a directory: files and commands.

    Files are read, written and listed, and commands run. What happens to the
    files, what commands write, each run and the workspace's health are seen by
    whoever watches the task. It goes on until it is told to stop, also while
    the server is away.

    A command may do all that you may: run this in a container, or where
    nothing can be harmed. With HEADWATER_NATIVE=true, HEADWATER_TASK,
    HEADWATER_DIR and HEADWATER_URL may stand for the options.

    Exit codes: 0 it was told to stop, or the task was removed; 2 it could not
    start.

    Examples:
      headwater sidecar --task 6b080d… --dir ./project
      headwater sidecar --offers | jq '.[].name'
      HEADWATER_NATIVE=true HEADWATER_TASK=6b080d… HEADWATER_DIR=. headwater sidecar
    """
    if show_offers:
        print(orjson.dumps(offers(approval=approval)).decode())  # for programs
        return
    task, directory, url = _asked(task, directory, url)
    if not hasattr(os, "O_NOFOLLOW") or os.open not in os.supports_dir_fd:
        raise StartupError("The sidecar needs a POSIX system; run it in a container.")
    if not directory.is_dir():
        raise StartupError(f"{directory} is no directory; name the workspace by --dir.")
    logging.basicConfig(level=logging.WARNING, format="headwater: %(message)s", stream=sys.stderr)
    asyncio.run(_run(Workspace(task, directory, at_once), url, header or ()))


async def _run(workspace: Workspace, url: str, headers: Sequence[str]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        client = Client(url, headers=headers_of(headers))
    except ValueError as error:
        raise StartupError(str(error)) from None

    def ready() -> None:
        print(
            f"The workspace of {printable(workspace.task_id)} is {workspace.directory.resolve()}, "
            f"by {client.url}. Ctrl-C stops it.",
            flush=True,
        )

    async with client:
        print(f"Asking {client.url} …", flush=True)
        try:
            await run_sidecar(client, workspace, stop, ready)
        except HeadwaterError as error:
            raise StartupError(printable(" ".join(error.message.split()))) from None
        except OSError as error:
            raise StartupError(f"{workspace.directory} cannot be opened: {error}") from None
    if not stop.is_set():
        print("The task was removed.", flush=True)


def _asked(task: str | None, directory: Path | None, url: str | None) -> tuple[str, Path, str]:
    """The options, from the environment where it says that it may stand for them."""
    if os.environ.get("HEADWATER_NATIVE", "").strip().lower() in _TRUE:
        task = task or os.environ.get("HEADWATER_TASK")
        url = url or os.environ.get("HEADWATER_URL")
        named = os.environ.get("HEADWATER_DIR")
        directory = directory or (Path(named) if named else None)
    elif url is None and os.environ.get("HEADWATER_URL"):
        print("HEADWATER_URL counts with HEADWATER_NATIVE=true only; see --url.", file=sys.stderr)
    if not task or directory is None:
        raise StartupError(
            "Name the task by --task and its workspace by --dir; with HEADWATER_NATIVE=true also "
            "by HEADWATER_TASK and HEADWATER_DIR."
        )
    return task, directory, url or own_url()
