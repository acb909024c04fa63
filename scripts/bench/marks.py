"""Marks in what is written, by which a frame tells how old the newest write in it is."""

import re
import time
from collections.abc import Sequence
from statistics import quantiles

__all__ = ["Marks", "milliseconds"]

_MARK = re.compile(rb"(?P<number>\d+)@(?P<microseconds>\d+);")


class Marks:
    """Marks that were made, and those of them that were seen.

    Attributes:
        made: How many.
        seen: The number of the latest one seen.
        latencies_us: From just before a write was begun until a frame with it was made; of writes
            that came in one frame, of each.
    """

    def __init__(self) -> None:
        self.made = 0
        self.reset()

    def reset(self) -> None:
        """Count what is seen from here."""
        self.seen = self.made
        self.latencies_us: list[int] = []

    def next(self) -> str:
        """A mark for a write that is begun now."""
        self.made += 1
        return f"{self.made}@{time.monotonic_ns() // 1000};"

    def look(self, frame: bytes) -> None:
        """A frame has been made."""
        now_us = time.monotonic_ns() // 1000
        for mark in _MARK.finditer(frame):
            number = int(mark["number"])
            if number > self.seen:
                self.seen = number
                self.latencies_us.append(now_us - int(mark["microseconds"]))


def milliseconds(latencies_us: Sequence[int]) -> tuple[float, float, float]:
    """The median, the 95th of a hundred, and the longest of two or more latencies."""
    found = quantiles(latencies_us, n=100, method="inclusive")
    return found[49] / 1000, found[94] / 1000, max(latencies_us) / 1000
