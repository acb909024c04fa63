"""One client on a model of a server: what it shows was true together, and writes happen once."""

import os
from pathlib import Path

import pytest

from scripts.node_packages import run_node

MODEL = Path(__file__).parent / "client_model" / "model.mjs"
SEED = int(os.environ.get("HEADWATER_SEED", "20261126"))
SCHEDULES = 30_000 if os.environ.get("HEADWATER_FUZZ") else 800


@pytest.mark.fuzz
def test_a_client_shows_what_was_true_together_and_writes_once_and_in_order() -> None:
    ended = run_node(MODEL, str(SEED), str(SCHEDULES), capture=True)
    assert ended.returncode == 0, f"HEADWATER_SEED={SEED}\n{ended.stdout}{ended.stderr}"
    assert f"{SCHEDULES} schedules" in ended.stdout
