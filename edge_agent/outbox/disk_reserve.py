"""A file that is there to be deleted: on a full disk it gives the queue the room to take an ack."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


class DiskReserve:
    """``size_bytes`` of disk space beside the queue, kept by a file that holds nothing."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._held = path.exists() and path.stat().st_size >= size_bytes

    def keep(self) -> None:
        """Take the space, if it is not taken and the disk has at least twice as much free."""
        if self._held or shutil.disk_usage(self._path.parent).free < 2 * self._size_bytes:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size_bytes)
            finally:
                os.close(handle)
        except OSError:
            self._path.unlink(missing_ok=True)  # the disk was faster: there is no reserve, which is not an error
            return
        self._held = True

    def spend(self) -> bool:
        """Give the space back to the disk; false if there is none to give."""
        if not self._held:
            return False
        self._path.unlink(missing_ok=True)
        self._held = False
        return True
