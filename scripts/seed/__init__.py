"""``make seed``: something to look at, in any database."""

from scripts.seed.demo import TASK_ID, demo
from scripts.seed.writing import seed

__all__ = ["TASK_ID", "demo", "seed"]
