"""Folders of stills as sources."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.capture.source import SourceError
from edge_agent.capture.stills import StillsSource


def folder_of(tmp_path: Path, times: list[float]) -> Path:
    entries = []
    for number, time in enumerate(times):
        file = f"{number:04}.png"
        cv2.imwrite(str(tmp_path / file), np.full((24, 32, 3), number * 10, np.uint8))
        entries.append({"file": file, "t_s": time})
    (tmp_path / "index.json").write_text(json.dumps({"frames": entries}))
    return tmp_path


def test_stills_come_with_the_times_of_the_index_and_gaps_show(tmp_path: Path) -> None:
    source = StillsSource(folder_of(tmp_path, [30, 31.125, 32.25, 300.5]), 1.0, datetime(2026, 1, 1, tzinfo=UTC))
    frames = list(source.frames())
    assert [frame.media_time_s for frame in frames] == [30, 31.125, 32.25, 300.5]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 10, 20, 30]
    assert frames[-1].captured_at == datetime(2026, 1, 1, 0, 5, 0, 500_000, tzinfo=UTC)


def test_stills_are_sampled_at_the_period(tmp_path: Path) -> None:
    source = StillsSource(folder_of(tmp_path, [n / 5 for n in range(11)]), 1.0)
    assert [frame.media_time_s for frame in source.frames()] == [0, 1, 2]
    assert source.counts.frames_skipped == 8


def test_a_missing_or_damaged_still_is_counted_and_the_next_one_stands_in(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [0, 1, 1.5, 2, 3])
    (folder / "0001.png").unlink()
    (folder / "0003.png").write_bytes(b"no picture")
    (folder / "0004.png").write_bytes(b"")
    source = StillsSource(folder, 1.0)
    assert [frame.media_time_s for frame in source.frames()] == [0, 1.5]
    assert source.counts.frames_broken == 3


def test_stills_of_another_size_are_given_as_they_are_and_counted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [0, 1, 2])
    cv2.imwrite(str(folder / "0001.png"), np.zeros((48, 64, 3), np.uint8))
    source = StillsSource(folder, 1.0)
    assert [frame.width for frame in source.frames()] == [32, 64, 32]
    assert source.counts.size_changes == 2


def test_probing_says_what_the_folder_holds(tmp_path: Path) -> None:
    info = StillsSource(folder_of(tmp_path, [10, 20, 70]), 1.0).probe()
    assert (info.width, info.height, info.duration_s, info.details["stills"]) == (32, 24, 60, 3)


def test_a_folder_without_one_readable_still_says_so(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [0, 1])
    for still in folder.glob("*.png"):
        still.unlink()
    for read in (StillsSource(folder, 1.0).probe, lambda: list(StillsSource(folder, 1.0).frames())):
        with pytest.raises(SourceError, match="none of the 2 stills"):
            read()


def test_a_folder_without_an_index_says_what_it_must_hold(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'needs an index\.json .*"t_s"') as refused:
        list(StillsSource(tmp_path, 1.0).frames())
    assert str(tmp_path) in str(refused.value)


GOOD = {"file": "a.jpg", "t_s": 0}


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "lists no frames"),
        ({"frames": []}, "lists no frames"),
        ({"frames": {}}, "lists no frames"),
        ({"frames": ["a.jpg"]}, r"frames\[0\]\.file: is missing"),
        ({"frames": [GOOD, {"t_s": 1}]}, r"frames\[1\]\.file: is missing"),
        ({"frames": [GOOD, {"file": "../b.jpg", "t_s": 1}]}, r"frames\[1\]\.file: .* outside"),
        ({"frames": [{"file": "/etc/passwd", "t_s": 1}]}, r"frames\[0\]\.file: .* outside"),
        ({"frames": [GOOD, {"file": "b.jpg"}]}, r"frames\[1\]\.t_s: must be a number"),
        ({"frames": [GOOD, {"file": "b.jpg", "t_s": True}]}, r"frames\[1\]\.t_s: must be a number"),
        ({"frames": [GOOD, {"file": "b.jpg", "t_s": "1 s"}]}, r"frames\[1\]\.t_s: must be a number"),
        ('{"frames": [{"file": "a.jpg", "t_s": NaN}]}', r"frames\[0\]\.t_s: nan is not between"),
        ({"frames": [{"file": "a.jpg", "t_s": -1}]}, r"frames\[0\]\.t_s: -1 is not between"),
        ({"frames": [{"file": "a.jpg", "t_s": 1766000000000}]}, r"frames\[0\]\.t_s: .* not between"),
        ({"frames": [GOOD, {"file": "b.jpg", "t_s": 0}]}, r"frames\[1\]\.t_s: .* not later"),
    ],
)
def test_what_is_wrong_with_an_index_is_said_with_file_and_entry(tmp_path: Path, index: Any, said: str) -> None:
    path = tmp_path / "index.json"
    path.write_text(index if isinstance(index, str) else json.dumps(index))
    with pytest.raises(SourceError, match=said) as refused:
        StillsSource(tmp_path, 1.0).probe()
    assert str(path) in str(refused.value)
