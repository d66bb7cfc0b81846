"""A new authority in place of the old one, in three steps between which every box renews its certificate once.

1. ``prepare``: there is a next authority, and boxes are told to trust it, too.
2. ``switch``: it signs; what the old one has signed still counts.
3. ``finish``: the old one counts no more, and its key is gone.

The aggregator reads the folder when it starts.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from aggregator.authority import TRUSTED, Authority, AuthorityError
from aggregator.private_file import locked, write_private

NEXT, PREVIOUS = "next", "previous"


def prepare(folder: Path) -> Authority:
    """Make the next authority of an identity folder, and trust it beside the present one. Raises ``AuthorityError``."""
    Authority.open(folder)
    if (folder / PREVIOUS).exists():
        raise AuthorityError(f"{folder}: the last change is not finished: finish it first")
    coming = Authority.open(folder / NEXT)
    _write(folder, coming.pem)
    return coming


def switch(folder: Path) -> Authority:
    """Let the next authority sign from now on. Raises ``AuthorityError``."""
    if not (folder / NEXT / "ca.key").exists():
        raise AuthorityError(f"{folder}: there is no next authority: prepare it, and let every box renew, first")
    present, coming = Authority.open(folder), Authority.open(folder / NEXT)
    _write(folder, present.pem)
    try:
        with locked(folder):
            (folder / PREVIOUS).mkdir(mode=0o700, exist_ok=True)
            for name in ("ca.key", "ca.pem"):
                shutil.copy2(folder / name, folder / PREVIOUS / name)
            for name in ("ca.key", "ca.pem"):
                (folder / NEXT / name).replace(folder / name)
            shutil.rmtree(folder / NEXT)
    except OSError as error:
        raise AuthorityError(f"{error.filename or folder}: {error.strerror or error}") from error
    return coming


def finish(folder: Path) -> None:
    """Trust the present authority alone, and delete the key of the one before. Raises ``AuthorityError``."""
    if (folder / NEXT).exists():
        raise AuthorityError(f"{folder}: the next authority does not sign yet: switch to it, or delete {folder / NEXT}")
    try:
        with locked(folder):
            (folder / TRUSTED).unlink(missing_ok=True)
            if (folder / PREVIOUS).exists():
                shutil.rmtree(folder / PREVIOUS)
    except OSError as error:
        raise AuthorityError(f"{error.filename or folder}: {error.strerror or error}") from error


def _write(folder: Path, trusted: bytes) -> None:
    try:
        with locked(folder):
            write_private(folder / TRUSTED, trusted)
    except OSError as error:
        raise AuthorityError(f"{error.filename or folder}: {error.strerror or error}") from error
