"""The passage meter on made footbridges with exact truth and on recorded bags."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.config import CalibrationConfig, PassageZone, PointPair
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.calibration import Calibration
from edge_agent.scene.passage_meter import PassageMeter
from edge_agent.scene.stay import Dwell, Stay, StayState
from tests.edge_agent.scene.made_deck import (
    SEEING,
    frame,
)


def made_scene(path: Path) -> tuple[dict, PassageZone, Calibration]:
    truth = json.loads(path.read_text())
    passage = truth["passage"]
    pairs = zip(passage["polygon_px"], passage["polygon_m"], strict=True)
    given = CalibrationConfig(points=tuple(PointPair(px=tuple(px), m=tuple(m)) for px, m in pairs))
    zone = PassageZone(
        id="deck",
        scenario="passage",
        polygon=tuple(map(tuple, passage["polygon_px"])),
        ends=(tuple(map(tuple, passage["end_a_px"])), tuple(map(tuple, passage["end_b_px"]))),
        calibration=given,
    )
    return truth, zone, Calibration.from_config(given)


def _stands(event: dict, at_s: float) -> bool:
    return bool(event["from_s"] + 3 <= at_s < event["to_s"] + 3)


def stay_in(event: dict) -> Stay:
    """The stay that scene memory would give of a thing in the truth."""
    return Stay(
        stay_id=event["id"],
        class_group=ClassGroup(event["group"]),
        class_name=event["class"],
        box=tuple(event["box"]),
        state=StayState.OBSERVED,
        standing=True,
        from_s=float(event["from_s"]),
        open_start=False,
        last_observed_s=float(event["to_s"]),
        dwell=Dwell(),
    )


@pytest.mark.footage
@pytest.mark.parametrize("name", ["B1_footbridge_narrowing", "B2_footbridge_stall", "B3_crowd_negative"])
def test_made_footbridges_are_measured_to_ten_centimetres(footage: Path, name: str) -> None:
    """With people and cycles from the truth at one frame a second, so that the meter alone is tried."""
    folder = footage / "rendered"
    truth, zone, ground = made_scene(folder / f"{name}.truth.json")
    with gzip.open(folder / f"{name}.frames.json.gz") as file:
        seen = json.load(file)
    size = (truth["width"], truth["height"])
    meter = PassageMeter(zone, ground, size)
    changes = [event[edge] for event in truth["events"] for edge in ("from_s", "to_s")]
    errors = []
    video = cv2.VideoCapture(str(folder / f"{name}.mp4"))
    for index in range(len(seen)):
        if index % 5:
            video.grab()
            continue
        _, image = video.read()
        at_s = index / 5
        boxes = [thing["box"] for thing in seen[index] if thing["cls"] == "person" and thing["vis"] > 0.1]
        people = Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(boxes), 0.8, np.float32),
            ("person",) * len(boxes),
            (ClassGroup.PERSON,) * len(boxes),
        )
        stays = tuple(stay_in(event) for event in truth["events"] if event["group"] == "cycle" and _stands(event, at_s))
        passage = meter.measure(frame(image, at_s), SEEING, people, stays, lambda _: Detections.empty())
        if index // 5 >= len(truth["clear_width"]) or passage.clear_width.width_m is None:
            continue
        # People stand about for some seconds after each change: what they hide is not asked for.
        if not any(-1 <= at_s - change <= 8 for change in changes):
            errors.append(abs(passage.clear_width.width_m - truth["clear_width"][index // 5]["width_m"]))
    assert len(errors) > 30
    assert np.mean(errors) <= 0.10
    assert max(errors) <= 0.30


def people_in(entry: dict) -> Detections:
    """The people that a person marked in a still."""
    boxes = [label["bbox"] for label in entry["boxes"] if label["class"] == "person"]
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), 0.8, np.float32),
        ("person",) * len(boxes),
        (ClassGroup.PERSON,) * len(boxes),
    )


@pytest.mark.footage
@pytest.mark.parametrize(
    ("name", "corners", "size_m"),
    [
        ("video03_1fps", ((20, 470), (530, 470), (470, 20), (190, 20)), (4.9, 9.0)),
        ("video05_1fps", ((120, 440), (600, 420), (560, 170), (90, 150)), (6.0, 6.0)),
    ],
)
def test_a_bag_left_on_a_real_pavement_is_found_and_nothing_before(
    footage: Path, name: str, corners: tuple[tuple[float, float], ...], size_m: tuple[float, float]
) -> None:
    """By day and by infrared night, with the people that a person marked. The metres are a guess at the place."""
    folder = footage / "real" / "aboda"
    (event, *_) = json.loads((folder / f"{name}.truth.json").read_text())["events"]
    metres = ((0.0, 0.0), (size_m[0], 0.0), size_m, (0.0, size_m[1]))
    given = CalibrationConfig(points=tuple(PointPair(px=px, m=m) for px, m in zip(corners, metres, strict=True)))
    zone = PassageZone(
        id="deck",
        scenario="passage",
        polygon=corners,
        ends=((corners[0], corners[1]), (corners[2], corners[3])),
        calibration=given,
    )
    meter = PassageMeter(zone, Calibration.from_config(given), (720, 480))
    found_s, early = None, []
    labels = json.loads((folder / name / "labels.json").read_text())["frames"]
    for entry in labels:
        image = cv2.imread(str(folder / name / entry["file"]))
        passage = meter.measure(frame(image, entry["t"]), SEEING, people_in(entry), (), lambda _: Detections.empty())
        x1, y1, x2, y2 = event["box"]
        for obstacle in passage.obstacles:
            left, top, right, bottom = obstacle.box
            if left < x2 and right > x1 and top < y2 and bottom > y1 and entry["t"] >= event["from_s"]:
                found_s = found_s if found_s is not None else entry["t"]
            elif entry["t"] < event["from_s"]:
                early.append((entry["t"], obstacle.box))
    assert early == []
    assert found_s is not None
    assert found_s - event["from_s"] <= 15
