"""Asking a running server what its operators may know."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

import httpx2
from pydantic import BaseModel, ValidationError
from rich.console import Console, RenderableType
from rich.live import Live

from server.cli.printable import printable
from server.cli.server_url import own_url
from server.core.errors import StartupError

__all__ = ["show", "shown_duration"]

A = TypeVar("A", bound=BaseModel)

TIMEOUT_SECONDS = 10.0
WATCH_SECONDS = 2.0


def show(
    url: str | None,
    path: str,
    answer_type: type[A],
    shown: Callable[[A], RenderableType],
    *,
    as_json: bool,
    watch: bool,
) -> None:
    """Ask a server for `path` and show the answer, with `watch` again and again until Ctrl-C.

    Args:
        url: The server; None for the one that the settings name.
        path: From the root, with its query.
        answer_type: What it answers.
        shown: How that looks.
        as_json: Print JSON lines instead.
        watch: Whether to go on.

    Raises:
        StartupError: There is no answer; it is one sentence with the cure.
    """
    answers = _answers((url or own_url()).rstrip("/"), path, answer_type, watch=watch)
    try:
        if as_json:
            for answer in answers:
                print(answer.model_dump_json(by_alias=True), flush=True)  # for a program to read
        elif watch and sys.stdout.isatty():
            with Live(shown(next(answers)), screen=True, auto_refresh=False) as live:
                for answer in answers:
                    live.update(shown(answer), refresh=True)
        else:
            for answer in answers:
                Console().print(shown(answer))
    except KeyboardInterrupt:
        pass


def shown_duration(milliseconds: int) -> str:
    """A time as people write it: ``40 ms``, ``1.5 s``, ``3 min``, ``5 h``, ``2 d``."""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1_000
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"


def _stop_on_interrupt() -> threading.Event:
    """What a Ctrl-C sets. An exception in its place would be lost where Python minds none."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    return stopped


def _answers(url: str, path: str, answer_type: type[A], *, watch: bool) -> Iterator[A]:
    token = os.environ.get("HEADWATER_OPERATOR_TOKEN", "").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # Redirects are not followed, so that the token goes nowhere else.
    with httpx2.Client(headers=headers, timeout=TIMEOUT_SECONDS) as http:
        stopped = _stop_on_interrupt() if watch else None
        while True:
            yield _ask(http, url + path, answer_type)
            if stopped is None or stopped.wait(WATCH_SECONDS):
                return


def _ask(http: httpx2.Client, address: str, answer_type: type[A]) -> A:
    try:
        response = http.get(address)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise StartupError(
            f"There is no server to ask at {address.partition('/api/')[0]} "
            f"({type(error).__name__}); start one by `headwater serve`, or name it by --url."
        ) from None
    try:
        if response.status_code == 200:
            return answer_type.model_validate_json(response.content)
        message = printable(response.json()["error"]["message"])
    except (ValidationError, ValueError, LookupError, TypeError):
        message = "it does not speak as Headwater does; name another server by --url."
    raise StartupError(f"The server answered {response.status_code}: {message}")
