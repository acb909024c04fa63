"""How much of the processors went to programs that have no part in the bench."""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.processes import cpu_seconds

__all__ = ["Account"]


@dataclass(frozen=True)
class Account:
    """A reading, to be compared with a later one when all that was started between has ended.

    Attributes:
        at: On the monotonic clock.
        all_seconds: What everybody has used, the machine's own time included.
        our_seconds: What this process, its ended children and MongoDB have used.
    """

    at: float
    all_seconds: float
    our_seconds: float

    @classmethod
    def read(cls, mongod: int) -> "Account":
        """Read it now; `mongod` is MongoDB's process."""
        first, _, _ = Path("/proc/stat").read_text().partition("\n")
        user, nice, system, _idle, _iowait, irq, softirq = map(int, first.split()[1:8])
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(
            time.monotonic(),
            (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK"),
            time.process_time() + ended.ru_utime + ended.ru_stime + cpu_seconds(mongod),
        )

    def of_others_since(self, before: "Account") -> float:
        """Processors that others kept busy since `before`, on the average."""
        used = self.all_seconds - before.all_seconds - (self.our_seconds - before.our_seconds)
        return max(0.0, used / (self.at - before.at))
