"""``headwater standin``: the stand-in for Claude's API, by itself."""

from pathlib import Path
from typing import Annotated

import typer

from server.core.errors import StartupError

__all__ = ["standin"]


def standin(
    host: Annotated[str, typer.Option(help="The address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to bind; 0 takes a free one.")] = 8010,
    script: Annotated[
        Path | None,
        typer.Option(help="What to say, turn by turn: a JSON file of {'turns': […]}."),
    ] = None,
    replay: Annotated[
        list[Path] | None,
        typer.Option(
            help="A recorded event stream, sent again byte for byte; or a folder of .sse and .txt "
            "files, one a turn. May be given several times; after the script."
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(
            min=0.001,
            help="Deltas, or recorded events, a second, where a script does not say; inf for all "
            "at once.",
        ),
    ] = 40,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again after the last turn.")] = False,
) -> None:
    """Answer like Claude's Messages API, without Claude. Set ANTHROPIC_BASE_URL to its address.

    Requests are checked as strictly as the service does. What follows the last turn is improvised:
    a few hundred words about the prompt, or calls of the tools that it mentions.

    A turn is {"parts": [{"type": "thinking"|"text", "deltas": "…"}, {"type": "tool_use", "name",
    "input"}, …], "stop_reason", "delta_interval_ms", "usage", "failure": {"type": "cut_short",
    "at_event": 5}}, or {"replay": "file.sse"}; the module server.llm.standin.script_file has it
    all.

    Examples:
      headwater standin --script demo.json --rate 20
      headwater standin --replay recorded/ --loop --port 0
    """
    from server.llm.standin import (  # here, because no other command needs it
        RecordingError,
        Script,
        ScriptError,
        load_replays,
        load_script,
        run_standin,
    )

    try:
        turns = load_script(script) if script is not None else Script()
        for path in replay or ():
            turns.add(*load_replays(path))
    except (ScriptError, RecordingError) as error:
        raise StartupError(str(error)) from None
    turns.loop = turns.loop or loop
    try:
        run_standin(
            host, port, script=turns, deltas_per_second=rate, script_interval_ms=1000 / rate
        )
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise StartupError(
            f"The stand-in cannot listen on {host}:{port}: {reason.lower()}; choose another --port."
        ) from None
