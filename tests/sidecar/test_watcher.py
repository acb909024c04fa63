"""What happens to files, as it is told."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from server.sidecar import limits
from server.sidecar.confined import Confined
from server.sidecar.file_changes import Change, changes_between
from server.sidecar.line_counts import changed_lines, lines_of
from server.sidecar.scan import scan
from server.sidecar.watcher import Watcher


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Confined]:
    (tmp_path / "watched").mkdir()
    confined = Confined(tmp_path / "watched")
    yield confined
    confined.close()


def done(directory: Confined, *commands: str) -> list[Change]:
    """What the commands of a shell change."""
    before = scan(directory)
    for command in commands:
        assert os.system(f"cd {directory.path} && {command}") == 0
    return changes_between(before.files, scan(directory, before).files)


def test_files_that_come_change_move_and_go(directory: Confined) -> None:
    assert done(directory, "printf 'a\nb\n' > a") == [Change("CREATE", "a", None, 2, 0)]
    assert done(directory, "printf 'a\nc\nd\n' > a") == [Change("UPDATE", "a", None, 2, 1)]
    assert done(directory, "mv a b") == [Change("RENAME", "b", "a", 0, 0)]
    assert done(directory, "mkdir d", "mv b d/e") == [Change("RENAME", "d/e", "b", 0, 0)]
    assert done(directory, "mv d f") == [Change("RENAME", "f/e", "d/e", 0, 0)]
    assert done(directory, "rm -r f") == [Change("DELETE", "f/e", None, 0, 3)]


def test_a_file_that_is_replaced_as_editors_do_was_updated(directory: Confined) -> None:
    done(directory, "printf 'a\nb\n' > a")
    assert done(directory, "printf 'a\n' > .a.swp", "mv .a.swp a") == [
        Change("UPDATE", "a", None, 0, 1)
    ]


def test_a_copy_that_takes_the_place_of_the_original_is_a_rename(directory: Confined) -> None:
    done(directory, "printf 'a\nb\n' > a")
    assert done(directory, "cp a b", "rm a") == [Change("RENAME", "b", "a", 0, 0)]
    assert [one.change_type for one in done(directory, "cp b c", "mv b d")] == ["CREATE", "RENAME"]


def test_what_is_written_again_as_it_was_is_no_change(directory: Confined) -> None:
    done(directory, "printf 'a\n' > a")
    assert done(directory, "printf 'a\n' > a", "chmod 600 a") == []


def test_what_is_no_text_or_too_large_has_no_lines(directory: Confined) -> None:
    assert done(directory, r"printf 'a\000' > a", "head -c 300000 /dev/zero > b") == [
        Change("CREATE", "a"),
        Change("CREATE", "b"),
    ]
    assert done(directory, r"printf 'b\000' >> a") == [Change("UPDATE", "a")]


def test_what_is_ignored_or_a_link_is_not_entered(directory: Confined) -> None:
    (directory.path.parent / "secret").mkdir(exist_ok=True)
    (directory.path.parent / "secret" / "s").write_text("x")
    changes = done(
        directory, "mkdir .git node_modules", "touch .git/x node_modules/x", "ln -s ../secret l",
        "mkfifo pipe", r"touch $(printf 'caf\351')",
    )  # fmt: skip
    assert [one.path for one in changes] == ["caf\\xe9", "l", "pipe"]


def test_more_files_than_are_watched_are_told(
    directory: Confined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FILES_MAX", 3)
    for name in "abcde":
        (directory.path / name).touch()
    found = scan(directory)
    assert (list(found.files), found.is_whole) == (["a", "b", "c"], False)


def test_counted_lines_lead_from_one_text_to_the_other() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(300):
        old, new = (
            "".join(chance.choice("ab\n") for _ in range(chance.randrange(30))) for _ in "12"
        )
        before, after = lines_of(old.encode()), lines_of(new.encode())
        assert before is not None
        assert after is not None
        added, deleted = changed_lines(before, after)
        kept = _longest_common(list(before), list(after))
        assert (added, deleted) == (len(after) - kept, len(before) - kept)


def _longest_common(old: list[int], new: list[int]) -> int:
    lengths = [0] * (len(new) + 1)
    for one in old:
        before = lengths[:]
        for place, other in enumerate(new, 1):
            lengths[place] = (
                before[place - 1] + 1 if one == other else max(before[place], lengths[place - 1])
            )
    return lengths[-1]


def test_texts_that_have_little_in_common_count_as_replaced() -> None:
    old = lines_of(b"start\n" + b"".join(b"%d\n" % n for n in range(5_000)) + b"end\n")
    new = lines_of(b"start\n" + b"".join(b"x%d\n" % n for n in range(3_000)) + b"end\n")
    assert old is not None
    assert new is not None
    assert changed_lines(old, new) == (3_000, 5_000)


@asynccontextmanager
async def watched(directory: Confined) -> AsyncIterator[asyncio.Queue[Change]]:
    told: asyncio.Queue[Change] = asyncio.Queue()
    watcher = Watcher(directory)
    await watcher.begin()

    async def follow() -> None:
        async with aclosing(watcher.changes()) as changes:
            async for some in changes:
                for one in some:
                    told.put_nowait(one)

    following = asyncio.create_task(follow())
    try:
        yield told
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def put(directory: Confined, path: str, text: str) -> None:
    """Whole at once: who looks meanwhile sees no file that is still empty."""
    made = directory.path.parent / "made"
    made.write_text(text)
    made.rename(directory.path / path)


async def test_changes_are_told_as_they_happen(directory: Confined) -> None:
    async with watched(directory) as told, asyncio.timeout(60):
        # Whatever happens while the platform's watch begins is told too.
        put(directory, "a", "1\n")
        assert await told.get() == Change("CREATE", "a", None, 1, 0)
        (directory.path / "d" / "e").mkdir(parents=True)
        put(directory, "d/e/f", "1\n")
        assert await told.get() == Change("CREATE", "d/e/f", None, 1, 0)
        put(directory, "d/e/f", "2\n")
        assert await told.get() == Change("UPDATE", "d/e/f", None, 1, 1)
        (directory.path / "d").rename(directory.path / "g")
        assert await told.get() == Change("RENAME", "g/e/f", "d/e/f", 0, 0)


async def test_where_the_platform_does_not_watch_it_is_looked(
    directory: Confined, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr("server.sidecar.watcher.awatch", refused)
    monkeypatch.setattr(limits, "POLL_SECONDS", 0.01)
    async with watched(directory) as told, asyncio.timeout(60):
        put(directory, "a", "1\n")
        assert await told.get() == Change("CREATE", "a", None, 1, 0)
