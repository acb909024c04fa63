"""What live queries have in common that share one result."""

from typing import NamedTuple

__all__ = ["SharedKey"]


class SharedKey(NamedTuple):
    """What live queries have in common that share one result.

    Attributes:
        function: Its wire name.
        arguments: As JSON, the same for the same.
        caller: What tells callers apart; empty where the query cannot see its caller.
    """

    function: str
    arguments: bytes
    caller: str
