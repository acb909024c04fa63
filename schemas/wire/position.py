"""A position: how far along the cluster's history somebody is."""

import re
from typing import NamedTuple

__all__ = ["Position", "Time"]


class Time(NamedTuple):
    """A cluster time. Ordered by its numbers.

    Attributes:
        seconds: Since the epoch.
        increment: Counts the operations within that second.
    """

    seconds: int
    increment: int

    def before(self) -> "Time":
        """The last time that is certainly earlier."""
        if self.increment > 0:
            return Time(self.seconds, self.increment - 1)
        return Time(self.seconds - 1, 0xFFFFFFFF)


_PATTERN = re.compile(r"(\d{1,10})\.(\d{1,10})~([0-9a-z]{1,16})(-?)", re.ASCII)


class Position(NamedTuple):
    """``"<seconds>.<increment>~<build>"``: a cluster time under one build.

    Attributes:
        time: The cluster time.
        build: The fingerprint of the functions, the schemas and the database; values of different
            builds cannot be continued from one another.
        settled: False where some query of the stream was behind `time` when this was sent. It is
            written as a trailing ``-``, and whoever resumes from it takes snapshots.
    """

    time: Time
    build: str
    settled: bool = True

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read a position.

        Raises:
            ValueError: `text` is no position.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:80]!r} is not a position such as '1763808000.1~k3v9q2'.")
        seconds, increment, build, unsettled = match.groups()
        if max(int(seconds), int(increment)) > 0xFFFFFFFF:
            raise ValueError(f"{text!r} is not a position: its numbers exceed 32 bits.")
        return cls(Time(int(seconds), int(increment)), build, not unsettled)

    def __str__(self) -> str:
        return (
            f"{self.time.seconds}.{self.time.increment}~{self.build}{'' if self.settled else '-'}"
        )
