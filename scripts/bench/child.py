"""A process of the bench: it ends with the bench, however that ends.

python -m scripts.bench.child NAME ARGUMENTS
python -m scripts.bench.child /PATH/OF/ANOTHER/PROGRAM ARGUMENTS
"""

import ctypes
import os
import signal
import sys

__all__ = ["main"]

PR_SET_PDEATHSIG = 1


def main(name: str, *arguments: str) -> None:
    """Run the program `name`."""
    bench = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != bench:
        sys.exit("The bench is gone.")
    if name.startswith("/"):
        os.execv(name, [name, *arguments])  # noqa: S606  # whom the bench compares; no shell
    sys.argv = [name, *arguments]
    if name == "headwater":
        from server.cli import main as program
    elif name == "bare":
        from scripts.bench.bare import main as program
    elif name == "bare-replies":
        from scripts.bench.bare_replies import main as program
    elif name == "claude":
        from scripts.bench.claude import main as program
    elif name == "engine":
        from scripts.bench.turns import main as program
    elif name == "peer-writer":
        from scripts.peers.writer import main as program
    else:
        from scripts.bench.writer import main as program
    program()


if __name__ == "__main__":
    main(*sys.argv[1:])
