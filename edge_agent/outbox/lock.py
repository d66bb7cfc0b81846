"""The queue's folder is for one process at a time: before any file in it is looked at, and until it ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from edge_agent.outbox.schema import InUseError

_BUSY_WAIT_S = 2.0  # a predecessor that is just ending gets this long to let go
_LOOK_S = 0.05


class FolderLock:
    """Holds a folder until ``release``; a process that dies lets go of it. Raises ``InUseError``, ``OSError``."""

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        give_up_s = time.monotonic() + _BUSY_WAIT_S
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= give_up_s:
                    os.close(self._handle)
                    raise InUseError(f"{folder} is in use by another process") from error
                time.sleep(_LOOK_S)
            except OSError:
                return  # a file system without such locks: SQLite's own still keeps a second agent out
            else:
                return

    def release(self) -> None:
        """Let go of the folder; may be called again."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
