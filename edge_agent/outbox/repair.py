"""What is done with a queue file that is not whole: it is set aside, and what can still be read is taken over."""

from __future__ import annotations

import os
import re
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

from edge_agent.outbox.journal import has_lost_commits
from edge_agent.outbox.losses import is_sound_loss
from edge_agent.outbox.schema import PAGE_BYTES, DamagedError, Ledger, is_sound, load_ledger, read_any_text

KEPT_FILES = 2
"""Damaged files that are kept for a person to look at; older ones go, since each may be as large as the quota."""

_UNREAD = ".unread"
_NAME = re.compile(rf"\.damaged-(\d+)(?:{re.escape(_UNREAD)})?$")
_COMPANIONS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a damaged file still gave: events oldest first as (kind, emitted_us, payload).

    ``ledger`` is None if it could not be trusted; ``lost`` is then None too.
    """

    events: tuple[tuple[str, int, bytes], ...]
    gaps: tuple[tuple[str, int, int, int, int, int], ...]
    ledger: Ledger | None
    lost: int | None
    first_lost_seq: int = 0
    last_lost_seq: int = 0

    def newer_half(self) -> Salvage:
        """Without the older half of the events, which count as lost: for a quota that has become smaller."""
        cut = (len(self.events) + 1) // 2
        return replace(self, events=self.events[cut:], lost=None if self.lost is None else self.lost + cut)


def set_aside(path: Path) -> None:
    """Rename the file, and then its journal, to what is still to be read."""
    number = 1 + max((n for _, n in _set_aside_files(path)), default=0)
    target = path.with_name(f"{path.name}.damaged-{number}{_UNREAD}")
    if path.exists():
        path.rename(target)
    else:  # its journal alone was left
        target.touch()
    _move_journal(path, target)
    _sync_folder(path.parent)


def unread(path: Path) -> list[tuple[Path, int]]:
    """Files that were set aside and perhaps not read to the end, oldest first, with their numbers."""
    found = sorted((n, each) for each, n in _set_aside_files(path) if each.name.endswith(_UNREAD))
    if found and not path.exists():
        _move_journal(path, found[-1][1])  # whoever set it aside was ended between two renames
    return [(each, n) for n, each in found]


def put_away(path: Path, target: Path, number: int) -> Path:
    """Keep a file that was read for a person to look at, and delete the oldest of those; its name from now on."""
    kept = target.with_name(target.name.removesuffix(_UNREAD))
    _move_journal(target, kept)
    target.rename(kept)
    _sync_folder(path.parent)
    for old, n in _set_aside_files(path):
        if n <= number - KEPT_FILES:
            for suffix in ("", *_COMPANIONS):
                old.with_name(old.name + suffix).unlink(missing_ok=True)
    return kept


def _move_journal(path: Path, target: Path) -> None:
    for suffix in _COMPANIONS:
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(target.with_name(target.name + suffix))


def _set_aside_files(path: Path) -> list[tuple[Path, int]]:
    found = []
    for each in path.parent.glob(f"{path.name}.damaged-*"):
        match = _NAME.search(each.name)
        if match:
            found.append((each, int(match.group(1))))
    return found


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class _View:
    """What one way of opening a damaged file shows: sound events by sequence."""

    ledger: Ledger | None
    events: dict[int, tuple[str, int, bytes]]
    gaps: tuple[tuple[str, int, int, int, int, int], ...]
    all_gaps: bool
    """False if a loss that was noted may be among what cannot be read."""


def salvage(path: Path) -> Salvage:
    """Read what a damaged file still gives; never raises for what is in it.

    The file is read with its journal and without: where the journal is damaged, SQLite may show older pages of it in
    place of newer ones that the file has.
    """
    journal_lost = has_lost_commits(path, PAGE_BYTES)
    if path.stat().st_size == 0:
        return Salvage((), (), None, None)  # and its journal, if it has one, is kept as it is
    without_journal = _view(f"{path.absolute().as_uri()}?immutable=1")
    with_journal = _view(path.absolute().as_uri())
    views = [with_journal, without_journal]
    ledger = max((view.ledger for view in views if view.ledger), key=lambda one: one.next_seq, default=None)
    if ledger is None:
        fullest = max(views, key=lambda view: len(view.events))
        return Salvage(_in_order(fullest.events), fullest.gaps, None, None)
    alike = [view for view in views if view.ledger is not None and view.ledger.epoch == ledger.epoch]
    head = max(view.ledger.head_seq for view in alike if view.ledger is not None)
    events = {seq: row for view in reversed(alike) for seq, row in view.events.items() if seq >= head}
    gaps = next((view.gaps for view in alike if view.gaps), ())
    if journal_lost or not with_journal.all_gaps:
        return Salvage(_in_order(events), gaps, ledger, None)
    following = max(ledger.next_seq, max(events, default=0) + 1)
    missing = sorted(set(range(head, following)) - set(events))
    bounds = (missing[0], missing[-1]) if missing else (0, 0)
    return Salvage(_in_order(events), gaps, ledger, len(missing), *bounds)


def _in_order(events: dict[int, tuple[str, int, bytes]]) -> tuple[tuple[str, int, bytes], ...]:
    return tuple(row for _, row in sorted(events.items()))


def _view(uri: str) -> _View:
    try:
        db = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
    except sqlite3.Error:
        return _View(None, {}, (), all_gaps=False)
    read_any_text(db)
    try:
        return _View(_ledger(db), _events(db), *_gaps(db))
    finally:
        db.close()


def _ledger(db: sqlite3.Connection) -> Ledger | None:
    try:
        return load_ledger(db)
    except (sqlite3.Error, DamagedError, TypeError):
        return None


def _events(db: sqlite3.Connection) -> dict[int, tuple[str, int, bytes]]:
    """Every event whose checksum fits, from both ends of the table: a bad page in between hides only itself."""
    found: dict[int, tuple[str, int, bytes]] = {}
    for order in ("ASC", "DESC"):
        try:
            for row in db.execute(f"SELECT seq, kind, emitted_us, checksum, payload FROM events ORDER BY seq {order}"):
                seq, kind, emitted_us, checksum, payload = row
                if seq in found and order == "DESC":
                    break
                if is_sound(seq, kind, emitted_us, checksum, payload):
                    found[seq] = (kind, emitted_us, payload)
        except sqlite3.Error:
            continue  # what was read before the bad page counts; the loss itself is counted by the caller
    return found


def _gaps(db: sqlite3.Connection) -> tuple[tuple[tuple[str, int, int, int, int, int], ...], bool]:
    try:
        rows = db.execute("SELECT * FROM gaps").fetchall()
    except (sqlite3.Error, UnicodeDecodeError):  # the latter of a column's name
        return (), False
    sound = tuple(row for row in rows if is_sound_loss(row))
    return sound, len(sound) == len(rows)
