"""A picture is said to be here only once its bytes, its name and every folder above it are on the disk."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from aggregator import evidence
from aggregator.evidence import EvidenceFolder, Held, Opening, Upload

AGENT = "box-1"


class WatchedDisk:
    """What is surely on the disk: bytes by fsync, names by an fsync of their folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dirty_files: set[int] = set()
        self.dirty_folders: set[Path] = set()
        self.renamed: list[tuple[Path, bool]] = []
        write, fsync, replace, mkdir = os.write, os.fsync, Path.replace, Path.mkdir

        def watched_write(handle: int, data: bytes) -> int:
            self.dirty_files.add(os.fstat(handle).st_ino)
            return write(handle, data)

        def watched_fsync(handle: int) -> None:
            fsync(handle)
            self.dirty_files.discard(os.fstat(handle).st_ino)
            self.dirty_folders.discard(Path(os.readlink(f"/proc/self/fd/{handle}")))

        def watched_replace(path: Path, target: Path) -> Path:
            self.renamed.append((target, path.stat().st_ino not in self.dirty_files))
            self.dirty_folders |= {path.parent, target.parent}
            return replace(path, target)

        def watched_mkdir(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
            mkdir(path, mode, parents, exist_ok)
            self.dirty_folders.add(path.parent)

        monkeypatch.setattr(evidence.os, "write", watched_write)
        monkeypatch.setattr(evidence.os, "fsync", watched_fsync)
        monkeypatch.setattr(Path, "replace", watched_replace)
        monkeypatch.setattr(Path, "mkdir", watched_mkdir)


def test_a_picture_is_complete_only_once_bytes_name_and_folders_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = WatchedDisk(monkeypatch)
    folder = EvidenceFolder(tmp_path / "received" / "here", 1 << 24, 1 << 22)
    content = random.Random(1).randbytes(300_000)
    sha256 = hashlib.sha256(content).digest()
    for start, end in ((0, 100_000), (100_000, 300_000)):  # cut once, and gone on with
        upload = folder.open(AGENT, Opening(sha256, len(content), "image/jpeg", start))
        assert isinstance(upload, Upload)
        for place in range(start, end, 50_000):
            upload.write(content[place : place + 50_000])
        assert disk.dirty_files
        held = upload.finish()
        assert disk.dirty_files == set(), "what is said to be here is on the disk"
        upload.close()
    assert held == Held(len(content), True)
    target = folder.path_of(AGENT, sha256, "image/jpeg")
    assert disk.renamed == [(target, True)], "it gets its name after its bytes are on the disk"
    assert disk.dirty_folders == set(), "and is said to be here after its name, and its folders' names, are"
    assert target.read_bytes() == content
