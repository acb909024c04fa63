"""A task's workspace: a directory that is watched, in which Claude's calls are run."""

from server.sidecar.sidecar import Workspace, run_sidecar
from server.sidecar.tools import offers

__all__ = ["Workspace", "offers", "run_sidecar"]
