"""Files that hold secrets: for their owner alone, written whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ExposedError(Exception):
    """Others can read a file that holds a secret; the message says what to do."""


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone. Raises ``OSError``."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        _give_to_owner_of(folder.parent, folder)


def write_private(path: Path, data: bytes) -> None:
    """Replace a file by one with mode 0600, at once or not at all. Raises ``OSError``."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _give_to_owner_of(path.parent, draft)
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private(path: Path) -> bytes:
    """Read a file that others must not be able to read. Raises ``OSError`` and ``ExposedError``."""
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & 0o077:
            raise ExposedError(f"{path}: others than its owner may read this key (mode {mode & 0o777:04o}): chmod 600")
        return file.read()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, across threads and processes. Raises ``OSError``."""
    path = folder / ".lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _give_to_owner_of(folder, path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _give_to_owner_of(folder: Path, path: Path) -> None:
    """A command run by root must not make files that the service's own user cannot read."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
