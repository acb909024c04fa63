"""The data folder of an embedded MongoDB: whose it is, and what is remembered in it.

What lies there:

    owner.lock      locked by the owning process while it lives; holds its pid
    embedded.json   {"uri", "port", "owner"}: the port to come back to and, while mongod serves,
                    the owner's pid (else null)
    mongod.log      what this mongod says; what the one before said is in mongod.old.log
    mongodb/        MongoDB's own files
"""

import asyncio
import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from server.core.errors import StartupError

__all__ = ["DataFolder", "FolderInUse"]

POLL_S = 0.02
PREDECESSOR_TIMEOUT_S = 10.0


class FolderInUse(StartupError):
    """Another process owns the data folder; `owner` is its pid, where it is known."""

    def __init__(self, data_dir: Path, owner: int | None) -> None:
        super().__init__(
            f"The data folder {data_dir} is in use by process {owner or 'unknown'}; stop that one, "
            "or name another folder in HEADWATER_DATA_DIR."
        )
        self.owner = owner


class DataFolder:
    """One data folder. Only who has locked it may write there.

    Attributes:
        path: Where it is.
        files: MongoDB's own files.
        log: What mongod says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.files = self.path / "mongodb"
        self.log = self.path / "mongod.log"
        self._lock: int | None = None

    @property
    def is_locked(self) -> bool:
        """Whether this process, by this object, owns the folder."""
        return self._lock is not None

    @property
    def has_data(self) -> bool:
        """Whether a MongoDB has ever worked here."""
        return self.files.is_dir() and any(self.files.iterdir())

    def lock(self) -> None:
        """Own the folder until `unlock`, or the end of this process; make it when absent.

        Raises:
            FolderInUse: Another process owns it.
            OSError: It cannot be made or written to.
        """
        self.files.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
        except OSError as error:
            owner = os.read(lock, 32)
            os.close(lock)
            if isinstance(error, BlockingIOError):
                raise FolderInUse(self.path, int(owner) if owner.isdigit() else None) from None
            raise
        self._lock = lock

    def unlock(self) -> None:
        """Leave the folder to whoever comes next; harmless when it is not locked."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def record(self) -> dict[str, Any]:
        """What the last owner wrote down; nothing where there was none, or its disk was full."""
        try:
            return json.loads((self.path / "embedded.json").read_bytes())
        except (OSError, ValueError):
            return {}

    def write_record(self, uri: str, port: int, *, owner: int | None) -> None:
        """Tell others where mongod is, and the next owner which port to come back to."""
        new = self.path / "embedded.json.new"
        new.write_text(json.dumps({"uri": uri, "port": port, "owner": owner}))
        new.replace(self.path / "embedded.json")

    async def wait_for_predecessor(self) -> None:
        """Wait for the mongod of an owner that was killed: it may still be writing its last.

        Raises:
            StartupError: It does not end.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + PREDECESSOR_TIMEOUT_S
        while (pid := self._mongod_at_work()) is not None:
            if now() > deadline:
                raise StartupError(
                    f"A mongod (process {pid}) still works on {self.path}; end it, or name another "
                    "folder in HEADWATER_DATA_DIR."
                )
            await asyncio.sleep(POLL_S)

    def _mongod_at_work(self) -> str | None:
        """The pid of the mongod that has its own lock on its files, or None."""
        with suppress(FileNotFoundError), (self.files / "mongod.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip()
        return None
