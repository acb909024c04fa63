"""``headwater codegen``: the types of an application, for TypeScript and for JavaScript."""

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.asking import HeaderOption, asking
from server.cli.folder import folder_of
from server.client import Client
from server.codegen import UnfitDocument, declarations, module, read_application
from server.core.errors import StartupError

__all__ = ["codegen"]

OUT = Path("headwater")

BEGINNING_MS = 300
"""After which `--watch` knows that it misses nothing."""


def codegen(
    target: Annotated[
        str | None,
        typer.Argument(help="An app of your own, as file.py:app or module:app."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = OUT,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 where something would be.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write again whenever a Python file of the app changes.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Ask a server that runs, instead of reading its code.")
    ] = None,
    header: HeaderOption = None,
) -> None:
    """Write the types of an app for TypeScript, and its functions by name.

    In api.d.ts and api.js: a call such as client.query(api.tasks.get, { taskId }) then compiles
    only where it fits.
    No database is needed, and no server unless --url names one.

    Exit codes: 1 what is there is not what would be written, 2 the app could not be read.

    Examples:
      headwater codegen
      headwater codegen notes.py:app --out web/headwater
      headwater codegen notes.py:app --check
      headwater codegen --url http://127.0.0.1:8000
    """
    if url is not None and (target is not None or watch):
        raise StartupError("A server says by itself what it has: give --url no app, nor --watch.")
    if watch:
        if check:
            raise StartupError("--check looks once; leave out --watch.")
        _watch(target, out)
        return
    document = _described(target) if url is None else _asked(url, header)
    command = _command(target, out, asked=url is not None)
    try:
        application = read_application(document)
        texts = {
            "api.js": module(application, command),
            "api.d.ts": declarations(application, command),
        }
    except (UnfitDocument, RecursionError) as error:
        raise StartupError(f"{error} Name another server by --url.") from None
    changed = [out / name for name, text in texts.items() if _read(out / name) != text]
    if check and changed:
        stale = " and ".join(map(str, changed))
        print(f"headwater: {stale} would change; run `{command}`.", file=sys.stderr)
        raise typer.Exit(1)
    for path in changed:
        _write(path, texts[path.name])
    functions = len(application.functions)
    print(
        f"{functions} functions; "
        + (f"wrote {', '.join(map(str, changed))}" if changed else f"{out} is as it should be")
    )


def _described(target: str | None) -> Any:
    from server.runtime import Catalog  # here, because it takes a second
    from server.web.open_api import open_api_document

    if target is None:
        from server.functions import WITH_SAMPLES

        return open_api_document(Catalog(WITH_SAMPLES))
    from server.cli.target import load_app

    return open_api_document(load_app(target).catalog)


def _asked(url: str, headers: list[str] | None) -> Any:
    async def ask(client: Client) -> Any:
        return await client.open_api()

    return asking(url, headers, ask)


def _command(target: str | None, out: Path, *, asked: bool) -> str:
    """What was typed, the same on every machine, so that what is generated is too."""
    parts = ["headwater", "codegen"]
    if target is not None:
        where, colon, name = target.partition(":")
        parts.append((_relative(where) if where.endswith(".py") else where) + colon + name)
    if out != OUT:
        parts += ["--out", _relative(out)]
    return shlex.join(parts) + (" --url …" if asked else "")


def _relative(path: str | Path) -> str:
    return Path(os.path.relpath(path)).as_posix()


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")  # with whatever ends its lines
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    """At once, for whoever builds from it may read it at any time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text, "utf-8", newline="\n")
        fresh.replace(path)
    except OSError as error:
        raise StartupError(f"{path} cannot be written: {error.strerror}.") from None


def _watch(target: str | None, out: Path) -> None:
    from watchfiles import PythonFilter, watch  # pyright: ignore[reportUnknownVariableType]

    # A process for each time, since a module is read but once in one.
    again = [*([target] if target is not None else []), "--out", str(out)]
    code = "from server.cli import main; main()"
    changes = watch(
        folder_of(target),
        watch_filter=PythonFilter(),
        rust_timeout=BEGINNING_MS,  # so that it watches already when it first says so
        yield_on_timeout=True,
    )
    begun = False
    with suppress(KeyboardInterrupt):
        for changed in changes:
            if changed or not begun:
                command = [sys.executable, "-c", code, "codegen", *again]
                subprocess.run(command, check=False)  # noqa: S603  # it is this program
            begun = True
