"""A camera's state is on the disk whole, or the one before it is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_agent.state_file import StateFile

STATE = {"format": 1, "memory": {"places": [[0.1, 0.2, None, "straße"]]}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "cameras" / "gate.json")
    assert file.read() is None
    file.write({"format": 0})
    file.write(STATE)
    assert StateFile(file.path).read() == STATE
    assert [path.name for path in file.path.parent.iterdir()] == ["gate.json"]


@pytest.mark.parametrize("damage", [b"", b'{"format": 1, ', b"\xff\xfe\x00", b"[1, 2]", b"null"])
def test_a_damaged_file_is_set_aside_and_the_camera_begins_anew(tmp_path: Path, damage: bytes) -> None:
    file = StateFile(tmp_path / "gate.json")
    file.path.write_bytes(damage)
    assert file.read() is None
    assert not file.path.exists()
    assert (tmp_path / "gate.damaged").read_bytes() == damage
    file.write(STATE)
    assert file.read() == STATE


def test_a_disk_that_fails_leaves_the_old_state_and_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = StateFile(tmp_path / "gate.json")
    file.write(STATE)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        file.write({"format": 2})
    assert file.failures == 1
    assert file.read() == STATE
    file.write({"format": 2})
    assert file.read() == {"format": 2}


def test_a_folder_that_cannot_be_made_is_counted(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    file = StateFile(tmp_path / "taken" / "gate.json")
    file.write(STATE)
    assert file.failures == 1
    assert file.read() is None


def test_a_number_that_is_none_is_refused_and_the_old_state_stays(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "gate.json")
    file.write(STATE)
    with pytest.raises(ValueError, match="JSON compliant"):
        file.write({"dwell_s": float("nan")})
    assert file.read() == STATE


def test_a_state_that_is_removed_is_gone(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "gate.json")
    file.write(STATE)
    file.remove()
    file.remove()
    assert file.read() is None


def test_two_cameras_whose_names_differ_after_a_dot_have_their_own_files(tmp_path: Path) -> None:
    one, other = StateFile(tmp_path / "gate.1.json"), StateFile(tmp_path / "gate.2.json")
    one.write({"camera": 1})
    other.write({"camera": 2})
    assert (one.read(), other.read()) == ({"camera": 1}, {"camera": 2})
