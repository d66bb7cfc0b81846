"""Whether the queue's journal has lost commits in its middle, which SQLite itself passes over in silence.

SQLite takes a journal up to the first frame that does not fit its checksum and forgets the rest: behind a power cut
that is right, for what was cut was never promised. But each commit waits for the disk, so at most the last one can
have been cut. If two commits follow each other behind the first bad frame, the earlier of them was on the disk, and
what makes it unreadable is damage. Format: the SQLite documentation, "WAL-mode File Format".
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoints, two salts, two sums
_FRAME = struct.Struct(">6I")  # page, pages in the file after a commit or 0, two salts, two sums
_MAGIC = 0x377F0682  # sums over little-endian words; one more for big-endian ones

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One page as a transaction left it; ``sums`` are those it says, taken over ``head`` and then ``image``."""

    page: int
    is_commit: bool
    salts: Sums
    sums: Sums
    head: memoryview
    image: memoryview


def has_lost_commits(file: Path, page_bytes: int) -> bool:
    """True if commits of ``file``'s journal were on the disk and cannot be read any more."""
    journal = file.with_name(f"{file.name}-wal")
    if not journal.is_file():
        return False
    data = memoryview(journal.read_bytes())
    if len(data) < _HEADER.size + _FRAME.size + page_bytes:
        return False
    magic, _, _, _, *salts, first, second = _HEADER.unpack_from(data)
    swap = magic == _MAGIC  # taken as read where the header is damaged: this machine wrote it
    header_fits = magic in (_MAGIC, _MAGIC + 1) and _sums(data[:24], (0, 0), swap) == (first, second)
    frames = list(_frames(data, page_bytes))
    generation = (salts[0], salts[1]) if header_fits else frames[0].salts
    lost = _behind_damage(frames, generation, (first, second) if header_fits else None, swap)
    if _is_empty(file):
        return any(frame.is_commit for frame in frames)  # SQLite would delete the journal unread
    if not header_fits:
        # A header that was cut while the journal began anew belongs to frames that the file has already.
        return any(_page(file, frame.page, page_bytes) != frame.image for frame in _last_images(lost))
    return bool(lost)


def _is_empty(file: Path) -> bool:
    return not file.exists() or file.stat().st_size == 0


def _frames(data: memoryview, page_bytes: int) -> Iterator[_Frame]:
    for start in range(_HEADER.size, len(data) - _FRAME.size - page_bytes + 1, _FRAME.size + page_bytes):
        page, pages, salt_1, salt_2, first, second = _FRAME.unpack_from(data, start)
        image = data[start + _FRAME.size : start + _FRAME.size + page_bytes]
        yield _Frame(page, pages > 0, (salt_1, salt_2), (first, second), data[start : start + 8], image)


def _behind_damage(frames: list[_Frame], generation: Sums, seed: Sums | None, swap: bool) -> list[_Frame]:
    """The frames from the first bad one on, if two commits among them are linked by sums that fit; else none.

    The sums of a frame go on from those of the frame before. Left-overs of an older transaction, which a later and
    shorter one did not quite cover, are not linked to it.
    """
    behind: list[_Frame] = []
    before, is_sound, after_commit, found = seed, True, False, False
    for frame in frames:
        is_ours = frame.salts == generation  # what was there before the journal last began anew is not
        linked = is_ours and before is not None and _frame_sums(frame, before, swap) == frame.sums
        before = frame.sums
        is_sound = is_sound and linked
        if is_sound:
            continue
        if is_ours:
            behind.append(frame)
        after_commit = after_commit and linked
        found = found or (after_commit and frame.is_commit)
        after_commit = after_commit or (is_ours and frame.is_commit)
    return behind if found else []


def _last_images(frames: list[_Frame]) -> list[_Frame]:
    return list({frame.page: frame for frame in frames}.values())


def _page(file: Path, number: int, page_bytes: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek((number - 1) * page_bytes)
        return opened.read(page_bytes)


def _frame_sums(frame: _Frame, seed: Sums, swap: bool) -> Sums:
    return _sums(frame.image, _sums(frame.head, seed, swap), swap)


def _sums(data: memoryview, seed: Sums, swap: bool) -> Sums:
    words = array("I")
    words.frombytes(data)
    if swap != (struct.pack("=I", 1)[0] == 1):
        words.byteswap()
    first, second = seed
    pairs = iter(words)
    for even, odd in zip(pairs, pairs, strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
