"""From a camera's configuration to its source."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from edge_agent.capture.open_source import open_live, open_recording, open_source
from edge_agent.capture.source import SourceError
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import CameraConfig

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_a_start_time_without_an_offset_is_in_the_sites_time_zone(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mp4", range(0, 1000, 100))
    camera = CameraConfig("gate", str(path), start_time=datetime(2026, 5, 17, 15, 0))
    assert next(open_source(camera, SHANGHAI).frames()).captured_at == datetime(2026, 5, 17, 7, 0, tzinfo=UTC)
    camera = CameraConfig("gate", str(path), start_time=datetime(2026, 5, 17, 15, 0, tzinfo=UTC))
    assert next(open_source(camera, SHANGHAI).frames()).captured_at == datetime(2026, 5, 17, 15, 0, tzinfo=UTC)


def test_a_folder_of_stills_is_opened_at_the_cameras_period(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    entries = [{"file": "a.png", "t_s": time} for time in (0, 1, 2, 3, 4)]
    (tmp_path / "index.json").write_text(json.dumps({"frames": entries}))
    source = open_source(CameraConfig("gate", str(tmp_path), period_s=2.0), SHANGHAI)
    assert [frame.media_time_s for frame in source.frames()] == [0, 2, 4]


def test_a_path_that_is_not_there_is_named_with_its_camera(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.mp4: there is no such file .* camera gate"):
        open_source(CameraConfig("gate", str(tmp_path / "nowhere.mp4")), SHANGHAI)


def test_a_live_camera_cannot_be_played_and_its_password_is_not_repeated() -> None:
    with pytest.raises(SourceError, match=r"rtsp://10\.0\.0\.7:554/live is live: only a recording") as refused:
        open_recording(CameraConfig("gate", "rtsp://admin:secret@10.0.0.7:554/live?token=abc"), SHANGHAI)
    assert "secret" not in str(refused.value)
    assert "abc" not in str(refused.value)


def test_a_looped_file_is_a_live_camera_that_can_still_be_played_once(make_video: Callable[..., Path]) -> None:
    camera = CameraConfig("gate", str(make_video("a.mp4", range(0, 3000, 100))), loop=True)
    assert camera.kind is SourceKind.LOOP
    assert len(list(open_recording(camera, SHANGHAI).frames())) == 3


def test_a_folder_cannot_be_looped(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no video file"):
        open_live(CameraConfig("gate", str(tmp_path), loop=True))
