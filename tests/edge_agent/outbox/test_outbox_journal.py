"""What is missing from the journal's middle is told from what a power cut left at its end."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.outbox.journal import has_lost_commits
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.outbox.schema import PAGE_BYTES

HEADER_BYTES, FRAME_BYTES = 32, 24 + PAGE_BYTES
FILE = "outbox.sqlite"
COMMITS = 40


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """File and journal of a queue whose process was killed after ``COMMITS`` commits."""
    folder = tmp_path_factory.mktemp("queue")
    outbox = Outbox(folder, 1 << 22)
    for number in range(COMMITS):
        outbox.append([b"event %d" % number + bytes(1000)], EventKind.INCIDENT)
    left = (folder / FILE).read_bytes(), (folder / f"{FILE}-wal").read_bytes()
    outbox.close()
    return left


def commits_of(journal: bytes) -> list[int]:
    """The frames that end a transaction."""
    frames = range((len(journal) - HEADER_BYTES) // FRAME_BYTES)
    return [frame for frame in frames if any(journal[HEADER_BYTES + frame * FRAME_BYTES + 4 :][:4])]


def lost(folder: Path, file: bytes, journal: bytes) -> bool:
    (folder / FILE).write_bytes(file)
    (folder / f"{FILE}-wal").write_bytes(journal)
    return has_lost_commits(folder / FILE, PAGE_BYTES)


def damaged(journal: bytes, place: int) -> bytes:
    changed = bytearray(journal)
    changed[place] ^= 0x10
    return bytes(changed)


def test_a_whole_journal_has_lost_nothing_and_neither_has_none(tmp_path: Path, killed: tuple[bytes, bytes]) -> None:
    assert not lost(tmp_path, *killed)
    (tmp_path / f"{FILE}-wal").unlink()
    assert not has_lost_commits(tmp_path / FILE, PAGE_BYTES)


@pytest.mark.parametrize("part", ["page", "sums", "salt", "picture"])
def test_a_bad_frame_with_two_commits_behind_it_is_damage(
    tmp_path: Path, killed: tuple[bytes, bytes], part: str
) -> None:
    file, journal = killed
    offset = {"page": 2, "salt": 9, "sums": 17, "picture": 1000}[part]
    for frame in commits_of(journal)[1:-3:5]:
        assert lost(tmp_path, file, damaged(journal, HEADER_BYTES + frame * FRAME_BYTES + offset))


def test_a_damaged_header_hides_commits_unless_the_file_has_them(tmp_path: Path, killed: tuple[bytes, bytes]) -> None:
    file, journal = killed
    assert lost(tmp_path, file, damaged(journal, 17))
    (tmp_path / FILE).write_bytes(file)
    (tmp_path / f"{FILE}-wal").write_bytes(journal)
    Outbox(tmp_path, 1 << 22).close()  # writes the journal back
    assert not lost(tmp_path, (tmp_path / FILE).read_bytes(), damaged(journal, 17))


def torn(journal: bytes, chance: random.Random) -> bytes:
    """The last transaction as a power cut may leave it: any of its sectors are missing."""
    last = commits_of(journal)[-2] + 1
    changed = bytearray(journal)
    for start in range(HEADER_BYTES + last * FRAME_BYTES, len(journal), 512):
        if chance.random() < 0.5:
            changed[start : start + 512] = bytes(len(changed[start : start + 512]))
    return bytes(changed)


def shorter(journal: bytes, chance: random.Random) -> bytes:
    """A journal that ends anywhere: nothing shows what came after."""
    return journal[: chance.randrange(len(journal))]


@pytest.mark.parametrize("cut", [torn, shorter])
def test_what_a_power_cut_leaves_is_no_damage(
    tmp_path: Path, killed: tuple[bytes, bytes], cut: Callable[[bytes, random.Random], bytes]
) -> None:
    file, journal = killed
    chance = random.Random(4)
    for _ in range(20):
        assert not lost(tmp_path, file, cut(journal, chance))
