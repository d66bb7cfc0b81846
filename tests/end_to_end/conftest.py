"""Fixtures of the tests that run whole programs."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from tests.end_to_end.running import KERB, Folder, folder_at

PARKED_S = [float(second) for second in range(8, 25)]
GONE_S = [float(second) for second in range(72, 82)]
"""Seconds of the bundled kerb: a car comes at 13 and stands; it is gone at 72."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """Where a test's programs keep everything; they end with the test."""
    with folder_at(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="session")
def short_kerb(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A camera whose half minute of stills holds one incident, so that programs have little to do.

    The stills are those of the bundled kerb without the time in which the car only stands.
    """
    stills = tmp_path_factory.mktemp("short-kerb")
    wanted = [*PARKED_S, *GONE_S]
    index = []
    with av.open(str(KERB["source"])) as video:
        for frame in video.decode(video=0):
            if frame.time is not None and wanted and frame.time >= wanted[0] - 0.01:
                wanted.pop(0)
                name = f"{len(index):03}.png"
                assert cv2.imwrite(str(stills / name), frame.to_ndarray(format="bgr24"))
                index.append({"file": name, "t_s": float(len(index))})
    (stills / "index.json").write_text(json.dumps({"frames": index}), encoding="utf-8")
    camera = copy.deepcopy(KERB) | {"source": str(stills)}
    camera["zones"][0]["dwell_limit_s"] = {"vehicle": 5}
    return camera
