"""A disk of a few MiB that can be filled to the last byte, for programs that are started on it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.running import ENVIRONMENT, Process


class SmallDisk:
    """A file system in memory, mounted at ``place`` for those who enter its namespace.

    ``seen`` is the same folder for everybody else: good for plain reading and writing, but not for SQLite, which
    follows the link back to a folder of the same name outside.
    """

    def __init__(self, place: Path, holder: int) -> None:
        self.place = place
        self.seen = Path(f"/proc/{holder}/root{place}")
        self.enter = ("nsenter", f"--target={holder}", "--user", "--mount", "--preserve-credentials")
        self._ballast = self.seen / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        block = 65536
        while block:
            try:
                os.write(handle, bytes(block))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block //= 2
        os.close(handle)

    def free(self) -> None:
        """Give back what ``fill`` took."""
        self._ballast.unlink()

    @property
    def free_bytes(self) -> int:
        """How much is left."""
        return shutil.disk_usage(self.seen).free


class ProcessOn(Process):
    """A program that sees a small disk."""

    def __init__(self, disk: SmallDisk, module: str, *arguments: str, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*disk.enter, sys.executable, "-m", module, *arguments],
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )


@contextmanager
def small_disk(place: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """A small disk, or a skip that says what is missing."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("a small disk needs unshare and nsenter (Debian: util-linux)")
    place.mkdir()
    mount = f"mount -t tmpfs -o size={size_bytes} tmpfs '{place}' && echo mounted && exec sleep 3600"
    holder = subprocess.Popen(["unshare", "-Urm", "sh", "-c", mount], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stderr is not None
    try:
        if holder.stdout.readline() != b"mounted\n":
            why = holder.stderr.read().decode().strip()
            pytest.skip(f"a small disk cannot be mounted here, which needs user and mount namespaces: {why}")
        yield SmallDisk(place, holder.pid)
    finally:
        holder.kill()
        holder.wait(10)
        holder.stdout.close()
        holder.stderr.close()
