"""How much more memory this process holds than it did, and at the most held meanwhile."""

import re
from pathlib import Path

__all__ = ["Memory"]

_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


class Memory:
    """What the process holds when this is made, from which growth is counted.

    Source: Linux, ``Documentation/filesystems/proc.rst``, ``VmHWM`` and ``clear_refs``.
    """

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
        self._before = _held("VmRSS")

    def grown(self) -> dict[str, float]:
        """``rss_mb``: what is held now; ``peak_mb``: how much more it was at the most."""
        return {"rss_mb": _held("VmRSS"), "peak_mb": _held("VmHWM") - self._before}


def _held(name: str) -> float:
    """One line of the process's status, in MB."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
