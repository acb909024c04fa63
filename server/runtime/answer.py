"""What a call gave."""

from dataclasses import dataclass

from schemas.wire.position import Time

__all__ = ["Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave.

    Attributes:
        value: As JSON.
        time: The cluster time at which, or of the writes by which, it came about.
    """

    value: bytes
    time: Time
