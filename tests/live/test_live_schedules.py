"""Live results under random writes of every kind, against MongoDB itself.

Schedules are made by hand-rolled generators and not by Hypothesis, because volume matters: a
thousand operations a second, at which Hypothesis would spend more on choosing than all else on
running; they are data, and so they shrink and are kept all the same.
"""

import os
import time

from tests.live.playing import player
from tests.live.schedules import Schedule, schedule

SEED = int(os.environ.get("HEADWATER_SEED", "20261125"))


async def test_x(mongo_uri: str) -> None:
    print(SEED)
    started = time.monotonic()
    async with player(mongo_uri) as playing:
        for n in range(int(os.environ.get("N", "20"))):
            made = schedule(SEED + n)
            again = Schedule.from_json(made.to_json())
            assert again.to_json() == made.to_json()
            wrong = await playing.play(again)
            if wrong is not None:
                print("SEED", SEED + n, str(wrong)[:3000], wrong.query)
                if os.environ.get("STOP"):
                    break
    print(playing.counts, time.monotonic() - started)
