"""Many tabs in a model of a browser: in the end they show what the server has, by one stream."""

import os
from pathlib import Path

import pytest

from scripts.node_packages import BROWSER, NoPackages, run_node

MODEL = Path(__file__).parent / "tabs_model" / "model.mjs"
SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
SCHEDULES = 30_000 if os.environ.get("HEADWATER_FUZZ") else 500

# A mutation that is under way as the lead goes to another tab, one of a tab that has not heard yet
# who leads (the stream does not know them as its client's), and one of a tab that comes back, while
# it still shows something from before.
ONCE_WRONG = [31732, 201484, 1376]
# One whose first answer was lost, and which was asked for again by another name.
ONCE_WRONG_SLOWLY = 7002412


@pytest.mark.fuzz
def test_tabs_come_to_one_stream_and_one_truth(tmp_path: Path) -> None:
    core = tmp_path / "core.js"
    try:
        bundled = run_node(
            "esbuild/bin/esbuild",
            str(BROWSER / "core.js"),
            "--bundle",
            "--format=iife",
            "--global-name=headwater",
            "--log-level=warning",
            f"--outfile={core}",
            capture=True,
        )
    except NoPackages as error:
        why = f"NO NPM PACKAGES, and so the model of many tabs did NOT run: {error}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    assert bundled.returncode == 0, bundled.stderr
    rounds = [(SEED, SCHEDULES), *((one, 1) for one in ONCE_WRONG)]
    slow = [(SEED, SCHEDULES // 2, "slow"), (ONCE_WRONG_SLOWLY, 1, "slow")]
    for seed, schedules, *kind in [*rounds, *slow]:
        ended = run_node(MODEL, str(core), str(seed), str(schedules), *kind, capture=True)
        assert ended.returncode == 0, f"HEADWATER_SEED={seed}\n{ended.stdout}{ended.stderr}"
        assert f"{schedules} schedules" in ended.stdout
