"""The `headwater` command within this process, where starting another would only take time."""

import asyncio
import contextlib
import io
import os
import sys
from dataclasses import dataclass
from unittest import mock

from server.cli import main
from tests.headwater_command import OURS


@dataclass(frozen=True)
class Said:
    """What a run of the command came to."""

    code: int
    stdout: list[str]
    stderr: list[str]

    @property
    def said(self) -> str:
        """All of it, for an assertion's message."""
        return "\n".join([*self.stdout, "--- stderr", *self.stderr])


async def headwater_here(*arguments: object, **environment: str) -> Said:
    """Run ``headwater …`` with no settings but those given; nothing else may print meanwhile.

    An app that it loads is known to it alone.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    argv = ["headwater", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()

    def run() -> int:
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    with (
        mock.patch("sys.argv", argv),
        mock.patch("sys.path", [*sys.path]),
        mock.patch.dict(sys.modules) if "--app" in argv else contextlib.nullcontext(),
        mock.patch.dict(os.environ, inherited | environment, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = await asyncio.to_thread(run)
    return Said(code, out.getvalue().splitlines(), err.getvalue().splitlines())
