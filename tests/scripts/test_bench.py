"""`make bench`: what it measures in processes of its own, in miniature; no time is judged."""

import os
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from scripts.bench.__main__ import ALONE
from scripts.bench.marks import Marks, milliseconds
from scripts.bench.processes import writer
from scripts.bench.report import Report
from scripts.bench.stage import Sizes, Stage

LINES = {
    "routing": 7,
    "beside": 2,
    "maintaining": 2,
    "reads": 1,
    "burst": 3,
    "replies": 3,
    "presence": 4,
    "frames": 2,
    "cliffs": 11,
}

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the bench reads Linux's /proc"
)


SHORT = {"reads", "beside"}
"""Run each time; the others take their time."""
LONG = [
    pytest.mark.fuzz,
    pytest.mark.skipif(not os.environ.get("HEADWATER_FUZZ"), reason="long; see make fuzz"),
]


@pytest.mark.parametrize(
    "part", [pytest.param(one, marks=[] if one in SHORT else LONG) for one in ALONE]
)
async def test_each_part_measures_all_that_it_says(
    part: str, mongo_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with AsyncMongoClient(mongo_uri, w="majority") as client, writer(mongo_uri) as load:
        before = set(await client.list_database_names())
        report = Report()
        try:
            await ALONE[part][1](Stage(client, mongo_uri, load, report, Sizes.miniature()))
        finally:
            for name in set(await client.list_database_names()) - before:
                await client.drop_database(name)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert len(lines) == LINES[part]
    if part == "reads":
        assert not report.missed, "a change of a plain field was read"
        assert "saw 6 updates" in lines[0]


def test_a_line_says_whether_its_target_was_met(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.judge("at most", 1.5, 1.5, "just so")
    report.judge("above", 1.6, 1.5, "too much")
    report.judge_least("at least", 20, 20, "just so")
    report.judge_least("below", 19.9, 20, "too little")
    report.tell("told", 3, "no target")
    report.end()
    *lines, _, verdict = capsys.readouterr().out.splitlines()
    verdicts = [next((word for word in ("PASS", "MISS") if word in line), None) for line in lines]
    assert verdicts == ["PASS", "MISS", "PASS", "MISS", None]
    assert verdict == "TARGETS MISSED: above; below."


def test_a_mark_counts_once_and_only_when_it_is_newer_than_those_seen() -> None:
    marks = Marks()
    first, second = marks.next(), marks.next()
    marks.look(f"{second} and {first}".encode())
    marks.look(second.encode())
    assert marks.seen == marks.made == 2
    assert len(marks.latencies_us) == 1
    assert milliseconds([1000, 3000]) == (2.0, 2.9, 3.0)
