"""One server process of a crew: ``python -m server.cli.worker PARENT [TARGET]``."""

import ctypes
import os
import signal
import sys

from server.cli import main

__all__: list[str] = []

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, target = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != int(parent):
        sys.exit("The process that keeps the workers is gone.")
    sys.argv = ["headwater", "serve", *([target] if target else [])]
    main()
