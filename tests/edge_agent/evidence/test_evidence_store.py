"""Stills on disk."""

from __future__ import annotations

import hashlib
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.evidence.evidence import Still
from edge_agent.evidence.reference import EvidenceMoment
from edge_agent.evidence.store import EvidenceStore


def still(content: bytes) -> Still:
    return Still(content, EvidenceMoment.ARRIVAL, datetime(2026, 5, 17, tzinfo=UTC), 12.5, True)


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_still_is_named_by_its_content(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "a/b", 1000)
    reference = store.keep(still(b"picture"))
    assert reference is not None
    assert (reference.sha256, reference.size_bytes, reference.media_type) == (sha(b"picture"), 7, "image/jpeg")
    assert (reference.moment, reference.media_time_s, reference.people_masked) == (EvidenceMoment.ARRIVAL, 12.5, True)
    assert store.path_of(reference.sha256).read_bytes() == b"picture"


def test_the_same_picture_twice_is_one_file(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, 1000)
    assert store.keep(still(b"picture")) == store.keep(still(b"picture"))
    assert names(tmp_path) == {f"{sha(b'picture')}.jpg"}
    assert store.size_bytes == 7


def test_the_quota_holds_and_the_oldest_go_first(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, 250)
    pictures = [bytes([n]) * 100 for n in range(5)]
    for picture in pictures:
        store.keep(still(picture))
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 250
    assert names(tmp_path) == {f"{sha(picture)}.jpg" for picture in pictures[-2:]}
    assert (store.counts.kept, store.counts.shed) == (5, 3)


def test_after_a_restart_age_is_remembered_and_the_quota_holds_at_once(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, 1000)
    pictures = [bytes([n]) * 100 for n in (9, 3, 7)]
    for age, picture in enumerate(pictures):
        store.keep(still(picture))
        os.utime(store.path_of(sha(picture)), ns=(age, age))
    restarted = EvidenceStore(tmp_path, 200)
    assert names(tmp_path) == {f"{sha(picture)}.jpg" for picture in pictures[1:]}
    assert restarted.counts.shed == 1


def test_what_a_crash_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / f"{sha(b'x')}.part").write_bytes(b"hal")
    assert EvidenceStore(tmp_path, 1000).size_bytes == 0
    assert names(tmp_path) == set()


def test_a_write_that_fails_leaves_nothing_behind_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EvidenceStore(tmp_path, 1000)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert store.keep(still(b"picture")) is None
    monkeypatch.undo()
    assert names(tmp_path) == set()
    assert (store.counts.failed, store.counts.kept, store.size_bytes) == (1, 0, 0)
    assert store.keep(still(b"picture")) is not None


def test_a_still_larger_than_the_quota_is_not_kept_and_drives_nothing_out(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, 100)
    store.keep(still(b"small"))
    assert store.keep(still(b"x" * 101)) is None
    assert names(tmp_path) == {f"{sha(b'small')}.jpg"}
    assert store.counts.failed == 1


def test_a_still_can_be_discarded_more_than_once(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, 100)
    store.keep(still(b"small"))
    store.discard(sha(b"small"))
    store.discard(sha(b"small"))
    assert names(tmp_path) == set()
    assert store.size_bytes == 0


def test_cameras_may_keep_stills_at_the_same_time(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, 2000)

    def keep(camera: int) -> None:
        for n in range(10):
            store.keep(still(f"{camera}-{n}".encode() * 20))

    threads = [threading.Thread(target=keep, args=(camera,)) for camera in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.counts.kept == 40
    assert store.size_bytes == sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
