"""What a server needs of the machine it is on: checked, with the cure for what is amiss."""

import asyncio
import os
import shutil
from contextlib import aclosing, suppress
from pathlib import Path

import httpx2

from server.cli.serving import listening_socket
from server.core.checks import Check, problem
from server.core.errors import HeadwaterError, StartupError
from server.llm import ChatRequest, ClaudeLimits
from server.llm.claude import Claude
from server.settings import Settings
from server.store.mongod import find_mongod

__all__ = ["check_claude", "check_folder", "check_port", "check_program"]

PROGRAM_SECONDS_MAX = 10.0
ROOM_BYTES_MIN = 1 << 30
"""Of the disk: what an oplog may come to."""


async def check_program(mongod: str | None) -> Check:
    """Whether the mongod to be embedded can be run on this machine."""
    try:
        program = find_mongod(mongod)
        process = await asyncio.create_subprocess_exec(
            *(program, "--version"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except StartupError as error:
        return problem("mongod", str(error))
    except OSError as error:
        return problem("mongod", f"cannot be run: {error}; name another in HEADWATER_MONGOD.")
    try:
        async with asyncio.timeout(PROGRAM_SECONDS_MAX):
            said, _ = await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        return problem("mongod", f"{program} does not answer; name another in HEADWATER_MONGOD.")
    lines = said.decode(errors="replace").splitlines()
    if process.returncode:
        why = lines[0] if lines else f"exit code {process.returncode}"
        return problem(
            "mongod", f"{program} does not run ({why}); install what it lacks, such as libcurl4."
        )
    return Check("mongod", "ok", f"{lines[0].removeprefix('db version ')}, {program}")


def check_folder(folder: Path) -> Check:
    """Whether the embedded MongoDB's data can be kept there."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return problem(
            "data folder",
            f"{folder} cannot be written; grant access, or name another in HEADWATER_DATA_DIR.",
        )
    free = shutil.disk_usage(there).free
    says = f"{folder}, {free / 1e9:.1f} GB free"
    if free < ROOM_BYTES_MIN:
        return problem("data folder", f"{says}; make room, or name another in HEADWATER_DATA_DIR.")
    return Check("data folder", "ok", says)


def check_port(settings: Settings) -> Check:
    """Whether a server could listen there, or does already."""
    try:
        listening_socket(settings.host, settings.port).close()
    except StartupError as error:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        with suppress(httpx2.HTTPError, httpx2.InvalidURL, ValueError):
            address = f"http://{host}:{settings.port}/healthz"
            asked = httpx2.get(address, timeout=2, trust_env=False)
            if asked.json() == {"status": "ok"}:
                return Check("port", "ok", f"a server is at {host}:{settings.port} already")
        return problem("port", str(error))
    return Check("port", "ok", f"{settings.host}:{settings.port} is free")


async def check_claude(settings: Settings, *, live: bool) -> Check:
    """Whether there is a key and, where that is asked for, whether Claude takes it."""
    if settings.uses_standin:
        return Check(
            "Claude", "note", "the stand-in answers", "Set ANTHROPIC_API_KEY to ask Claude itself."
        )
    if settings.anthropic_api_key is None:
        return Check("Claude", "note", "callers bring their keys: ANTHROPIC_API_KEY is not set")
    if not live:
        return Check("Claude", "ok", "ANTHROPIC_API_KEY is set; --live tries it")
    request = ChatRequest([{"role": "user", "content": "Say: ok."}], max_tokens=16, thinking=False)
    limits = ClaudeLimits(retries_max=0, silence_timeout_ms=20_000)
    claude = Claude(settings.anthropic_api_key, settings.anthropic_base_url, limits=limits)
    try:
        async with claude, aclosing(claude.stream(request)) as events:
            await anext(events)
    except HeadwaterError as error:
        return Check("Claude", "problem", error.message)
    return Check("Claude", "ok", "answers, by ANTHROPIC_API_KEY")
