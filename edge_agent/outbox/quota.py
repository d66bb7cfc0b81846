"""How much of the disk the queue may take, and how much of that is kept back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from edge_agent.outbox.schema import JOURNAL_BYTES, PAGE_BYTES

FILE_NAME = "outbox.sqlite"
RESERVE_NAME = "outbox.reserve"

_RESERVE_SHARE = 0.05  # of the quota, kept back so that acks and records of losses always find room
_RESERVE_PAGES = 24  # at least
_DEAD_LETTER_SHARE = 16  # dead letters take at most this fraction of the quota


@dataclass(frozen=True, slots=True)
class Quota:
    """The queue's quota in pages of its file; ``reserve_pages`` of them are not for events."""

    max_pages: int
    reserve_pages: int

    @staticmethod
    def of(max_bytes: int) -> Quota:
        """The quota for a file of at most ``max_bytes``. Raises ``ValueError`` if that is too little to work."""
        max_pages = max_bytes // PAGE_BYTES
        if max_pages < 4 * _RESERVE_PAGES:
            raise ValueError(f"queue.max_bytes is {max_bytes}: use at least {4 * _RESERVE_PAGES * PAGE_BYTES}")
        return Quota(max_pages, max(_RESERVE_PAGES, int(max_pages * _RESERVE_SHARE)))

    def event_pages(self, *, held: bool) -> int:
        """Pages that may be in use after new events came.

        While the head of the queue is on the way and so cannot be dropped (``held``), they may use half of the
        reserve.
        """
        return self.max_pages - (self.reserve_pages // 2 if held else self.reserve_pages)

    @property
    def max_bytes(self) -> int:
        """The whole quota in bytes."""
        return self.max_pages * PAGE_BYTES

    @property
    def dead_letter_bytes(self) -> int:
        """Most bytes that dead letters may take."""
        return self.max_bytes // _DEAD_LETTER_SHARE


def quota_problem(state_dir: Path, max_bytes: int) -> str | None:
    """What is wrong if the disk has no room for the queue's quota; None if it has. The folder need not be there yet."""
    held = sum(each.stat().st_size for each in (state_dir / FILE_NAME, state_dir / RESERVE_NAME) if each.exists())
    there = state_dir.absolute()
    free = shutil.disk_usage(next(folder for folder in (there, *there.parents) if folder.exists())).free
    missing = max_bytes + 2 * JOURNAL_BYTES - held - free
    if missing <= 0:
        return None
    return (
        f"queue.max_bytes is {max_bytes}, but the disk of {state_dir} has only {free} bytes free: "
        f"free {missing} bytes or lower queue.max_bytes"
    )
