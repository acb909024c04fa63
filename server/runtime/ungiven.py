"""The default of an argument for which null says something."""

from typing import Any

from pydantic_core import MISSING

__all__ = ["UNGIVEN"]

UNGIVEN: Any = MISSING
"""``description: str | None = UNGIVEN`` tells a description of null from one that is not given."""
