"""Whatever picture a command writes, nobody in it can be recognised, also on frames that the detector left out."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edge_agent.capture.frame import Image
from edge_agent.cli import cli
from edge_agent.detection.detections import ClassGroup
from edge_agent.detection.detector import Detector, load_detector
from edge_agent.detection.model_card import find_card
from edge_agent.evidence.privacy import overlap

BRIDGE = Path(__file__).resolve().parents[3] / "config/demo/B1_footbridge_narrowing.mp4"
SECONDS = 8
FROM_S = 6
SURE = 0.4

CONFIG = """
id: box
state_dir: state
cameras:
  - id: bridge
    source: walkers.avi
    period_s: 1
    calibration:
      points:
        - {px: [372, 78], m: [0, 12]}
        - {px: [542, 76], m: [4, 12]}
        - {px: [730, 444], m: [4, 0]}
        - {px: [269, 458], m: [0, 0]}
    zones:
      # Beside the bridge: what walks on it concerns no zone, so frames are left out while people walk.
      - {id: kerb, scenario: parking, polygon: [[20, 180], [230, 180], [230, 290], [20, 290]]}
"""

SUITE = """
clips:
  - name: walkers
    source: walkers.avi
    truth: walkers.truth.json
    camera:
      period_s: 1
      zones:
        - id: kerb
          scenario: parking
          polygon: [[20, 180], [230, 180], [230, 290], [20, 290]]
          dwell_limit_s: {vehicle: 4}
"""
TRUTH = {
    "events": [{"id": "car", "kind": "stay", "class": "car", "from_s": 0, "to_s": 8, "box": [47, 195, 213, 269]}],
}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(find_card("nanodet-g-416"), threads=1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some seconds of a made footbridge that people walk over, with a configuration beside it."""
    folder = tmp_path_factory.mktemp("walkers")
    film = cv2.VideoCapture(str(BRIDGE))
    fps = film.get(cv2.CAP_PROP_FPS)
    film.set(cv2.CAP_PROP_POS_FRAMES, FROM_S * fps)
    cut = cv2.VideoWriter(str(folder / "walkers.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (960, 540))
    for number in range(int(SECONDS * fps)):
        read, image = film.read()
        assert read
        if number % round(fps / 5) == 0:
            cut.write(image)
    cut.release()
    film.release()
    (folder / "agent.yaml").write_text(CONFIG)
    return folder


def people_in(detector: Detector, image: Image) -> list[tuple[float, ...]]:
    found = detector.detect(image)
    return [
        tuple(found.boxes[n])
        for n in range(len(found))
        if found.groups[n] is ClassGroup.PERSON and found.scores[n] >= SURE
    ]


def at(recording: Path, second: float) -> Image:
    film = cv2.VideoCapture(str(recording / "walkers.avi"))
    film.set(cv2.CAP_PROP_POS_FRAMES, round(second * 5))
    read, image = film.read()
    film.release()
    assert read
    return np.asarray(image, np.uint8)


def seen_again(detector: Detector, before: Image, after: Image) -> tuple[int, int]:
    """How many people can be seen in a picture as it was, and how many of them still as it was written."""
    people, left = people_in(detector, before), people_in(detector, after)
    return len(people), sum(any(overlap(one, other) >= 0.4 for other in left) for one in people)  # type: ignore[arg-type]


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_nobody_can_be_seen_in_an_annotated_video(recording: Path, detector: Detector) -> None:
    video = recording / "look.mp4"
    run("replay", "--config", recording / "agent.yaml", "--annotate", video)
    film = cv2.VideoCapture(str(video))
    counts = []
    for second in range(SECONDS):
        read, image = film.read()
        assert read
        counts.append(seen_again(detector, at(recording, second), np.asarray(image, np.uint8)))
    film.release()
    assert sum(people for people, _ in counts) >= SECONDS
    assert sum(again for _, again in counts) == 0, counts


def test_nobody_can_be_seen_in_the_picture_of_a_calibration(recording: Path, detector: Detector) -> None:
    grid = recording / "grid.png"
    run("calibrate", "--config", recording / "agent.yaml", "--camera", "bridge", "--out", grid, "--at", "3")
    people, again = seen_again(detector, at(recording, 3), np.asarray(cv2.imread(str(grid)), np.uint8))
    assert people
    assert not again


def test_nobody_can_be_seen_in_a_report(recording: Path, detector: Detector) -> None:
    (recording / "suite.yaml").write_text(SUITE)
    (recording / "walkers.truth.json").write_text(json.dumps(TRUTH))
    report = recording / "report.html"
    run("evaluate", recording / "suite.yaml", "--html", report)
    stills = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", report.read_text())
    assert stills
    for still in stills:
        image = cv2.imdecode(np.frombuffer(base64.b64decode(still), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert not people_in(detector, np.asarray(image, np.uint8))
