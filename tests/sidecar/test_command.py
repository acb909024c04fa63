"""Commands, and the end of all that they begin."""

import asyncio
import os
from pathlib import Path

import pytest

from server.sidecar import limits
from server.sidecar.command import Outcome, run_command
from server.sidecar.environment import without_secrets

ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Heard(list[tuple[str, str]]):
    """What was written, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.news = asyncio.Event()

    def __call__(self, stream: str, text: str) -> None:
        self.append((stream, text))
        self.news.set()

    def of(self, stream: str) -> str:
        return "".join(text for one, text in self if one == stream)

    async def until(self, wanted: str) -> None:
        async with asyncio.timeout(30):
            while wanted not in self.of("stdout"):
                self.news.clear()
                await self.news.wait()


async def run(
    command: str, folder: Path, seconds: float = 30, heard: Heard | None = None
) -> Outcome:
    on_output = Heard() if heard is None else heard
    return await run_command(command, folder, ENVIRONMENT, seconds, on_output)


async def gone(pid: int) -> None:
    """Wait until a process is no more, or is only waited for by its parent."""
    async with asyncio.timeout(30):
        while True:
            try:
                state = await asyncio.to_thread(Path(f"/proc/{pid}/stat").read_text)
            except OSError:
                return
            if state.rpartition(")")[2].split()[0] in "ZX":
                return
            await asyncio.sleep(0.01)


async def test_a_command_runs_in_its_directory_with_no_input(tmp_path: Path) -> None:
    heard = Heard()
    outcome = await run("pwd; cat; echo oh >&2; exit 3", tmp_path, heard=heard)
    assert outcome == ("exited", 3, f"{tmp_path}\n", "oh\n")
    assert (heard.of("stdout"), heard.of("stderr")) == (f"{tmp_path}\n", "oh\n")


async def test_a_signal_is_told_as_a_shell_tells_it(tmp_path: Path) -> None:
    assert (await run("kill -9 $$", tmp_path)).exit_code == 137


async def test_output_comes_while_the_command_runs(tmp_path: Path) -> None:
    heard = Heard()
    running = asyncio.create_task(
        run("echo one; while [ ! -e go ]; do sleep 0.01; done; echo two >&2", tmp_path, heard=heard)
    )
    await heard.until("one")
    assert not running.done()
    (tmp_path / "go").touch()
    await running
    assert list(heard) == [("stdout", "one\n"), ("stderr", "two\n")]


async def test_a_command_over_its_time_is_killed_with_its_children(tmp_path: Path) -> None:
    command = (
        "sleep 1000 & echo $!; (setsid sleep 1000 & echo $! ); "
        "(setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' &) ; "
        "trap '' TERM; while :; do sleep 0.05; done"
    )
    for seconds in (1, 5, 25):  # on a slow machine they may not all have begun
        outcome = await run(command, tmp_path, seconds)
        assert outcome.ending == "timed_out"
        assert outcome.exit_code is None
        children = [int(line) for line in outcome.stdout.split()]
        for child in children:
            await gone(child)
        if len(children) == 3:
            break
    assert len(children) == 3


async def test_what_a_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    outcome = await run("(setsid sleep 1000 & echo $!) ; sleep 1000 & echo $!", tmp_path)
    assert (outcome.ending, outcome.exit_code) == ("exited", 0)
    for child in outcome.stdout.split():
        await gone(int(child))


async def test_a_flood_is_cut_with_a_mark_and_ends_the_command(tmp_path: Path) -> None:
    heard = Heard()
    outcome = await run("yes", tmp_path, heard=heard)
    assert outcome.ending == "flooded"
    shown = heard.of("stdout")
    assert shown.startswith("y\ny\n")
    assert shown.endswith(
        f"\n[What comes after {limits.OUTPUT_CHARACTERS_MAX:,} characters is left out.]\n"
    )
    assert len(shown) < limits.OUTPUT_CHARACTERS_MAX + 100
    assert len(outcome.stdout) < limits.TOLD_CHARACTERS_MAX + 100
    assert "characters left out]" in outcome.stdout


async def test_a_long_output_goes_on_past_the_cut_and_its_end_is_told(tmp_path: Path) -> None:
    heard = Heard()
    outcome = await run("yes | head -c 2000000; echo the end", tmp_path, heard=heard)
    assert outcome.exit_code == 0
    assert outcome.stdout.endswith("the end\n")
    assert "the end" not in heard.of("stdout")


async def test_a_cancelled_command_is_killed(tmp_path: Path) -> None:
    heard = Heard()
    running = asyncio.create_task(run("echo $$; sleep 1000", tmp_path, heard=heard))
    await heard.until("\n")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(int(heard.of("stdout")))


async def test_characters_that_are_cut_between_reads_are_whole(tmp_path: Path) -> None:
    heard = Heard()
    outcome = await run(
        r"printf '\303'; sleep 0.05; printf '\244 \377 \342\202'", tmp_path, heard=heard
    )
    assert outcome.stdout == heard.of("stdout") == "ä � �"


def test_commands_see_no_secrets() -> None:
    secret = {
        "HEADWATER_OPERATOR_TOKEN": "1", "ANTHROPIC_API_KEY": "1", "GH_TOKEN": "1", "MY_KEY": "1",
        "AWS_SECRET_ACCESS_KEY": "1", "DB_PASSWORD": "1", "PGPASSWORD": "1", "MONGODB_URI": "1",
        "SERVICE": "https://me:word@example.org/", "npm_config__auth": "1", "apikey": "1",
    }  # fmt: skip
    plain = {"PATH": "/bin", "HOME": "/h", "LANG": "C", "SITE": "https://example.org/a:b@c"}
    assert without_secrets({**secret, **plain}) == plain
