"""What windows find is added to what the whole frame shows, once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.detection.detector import load_detector
from edge_agent.detection.model_card import find_card, read_card
from edge_agent.detection.tiles import TiledDetector, merge, whole_ones
from edge_agent.detection.windows import Window, plan_windows

V, P = ClassGroup.VEHICLE, ClassGroup.PERSON
FRAME = (640, 360)
Seen = tuple[tuple[float, float, float, float], float, str, ClassGroup]


def seen(*items: Seen) -> Detections:
    return Detections(
        np.array([item[0] for item in items], np.float32).reshape(-1, 4),
        np.array([item[1] for item in items], np.float32),
        tuple(item[2] for item in items),
        tuple(item[3] for item in items),
    )


def test_boxes_of_a_window_are_moved_to_the_frame() -> None:
    found = whole_ones(seen(((50, 60, 90, 100), 0.5, "car", V)), Window(200, 100, 500, 300), FRAME)
    assert found.boxes.tolist() == [[250, 160, 290, 200]]


@pytest.mark.parametrize("cut", [(0, 60, 90, 100), (50, 1, 90, 100), (250, 60, 299, 100), (50, 150, 90, 198)])
def test_what_an_inner_edge_cuts_is_left_out(cut: tuple[float, float, float, float]) -> None:
    whole = ((100.0, 60.0, 140.0, 100.0), 0.4, "car", V)
    found = whole_ones(seen((cut, 0.9, "car", V), whole), Window(200, 100, 500, 300), FRAME)
    assert found.boxes.tolist() == [[300, 160, 340, 200]]


def test_what_the_edge_of_the_frame_cuts_stays() -> None:
    found = whole_ones(seen(((0, 60, 90, 199), 0.9, "car", V)), Window(0, 160, 300, 360), FRAME)
    assert found.boxes.tolist() == [[0, 220, 90, 359]]


def test_one_thing_in_two_looks_is_one_detection_with_the_better_score() -> None:
    whole = seen(((100, 100, 200, 160), 0.4, "truck", V), ((10, 10, 20, 30), 0.3, "person", P))
    window = seen(((102, 101, 201, 161), 0.7, "car", V))
    found = merge([whole, window])
    assert found.class_names == ("car", "person")
    assert found.scores == pytest.approx([0.7, 0.3])


def test_a_person_before_a_car_stays_beside_it() -> None:
    found = merge([seen(((100, 100, 200, 160), 0.4, "car", V)), seen(((101, 100, 200, 160), 0.5, "person", P))])
    assert found.groups == (P, V)


def test_nothing_in_any_look_is_nothing() -> None:
    assert len(merge([Detections.empty(), Detections.empty()])) == 0


def test_windows_are_looked_at_besides_the_whole_frame(make_model: Any) -> None:
    detector = load_detector(read_card(make_model()))
    tiled = TiledDetector(detector, (Window(200, 100, 500, 300),))
    found = tiled.detect(np.zeros((360, 640, 3), np.uint8))
    assert (tiled.inferences, tiled.card.name) == (2, "tiny")
    assert tiled.inference_s > 0
    cars = found.boxes[[name == "car" for name in found.class_names]]
    assert np.round(cars).tolist() == [[64, 36, 320, 180], [230, 120, 350, 200]]


def test_of_a_window_the_weakest_do_not_count(make_model: Any) -> None:
    detector = load_detector(read_card(make_model(memory_score=0.45, score_threshold=0.6)))
    found = TiledDetector(detector, (Window(200, 100, 500, 300),)).detect(np.zeros((360, 640, 3), np.uint8))
    assert sorted(found.class_names) == ["car", "car", "person"]


def test_a_window_on_a_real_street_adds_to_the_whole_frame_and_keeps_no_cut_box(street: np.ndarray) -> None:
    height, width = street.shape[:2]
    detector = load_detector(find_card("nanodet-g-416"))
    zone = [(213.8, 377.2), (681.9, 197.1), (611.5, 183.3), (141.4, 335.5)]
    windows = plan_windows((width, height), detector.card.input.size, [zone])
    plain = detector.detect(street)
    found = TiledDetector(detector, windows).detect(street)
    vehicles = [i for i, group in enumerate(found.groups) if group is V and found.scores[i] > 0.3]
    assert found.scores[0] >= plain.scores[0]
    assert len(vehicles) == 1, "one car stands there, whole"


@pytest.mark.footage
def test_every_parked_vehicle_of_a_hard_street_is_seen_and_windows_see_them_better(footage: Any) -> None:
    import json

    import cv2

    folder = footage / "real" / "street_parked"
    truth = json.loads((folder / "parked_street_73s.truth.json").read_text())
    parked = np.array([event["box"] for event in truth["events"] if event["kind"] == "stay"], np.float32)
    capture = cv2.VideoCapture(str(folder / "parked_street_73s.mp4"))
    frames = []
    for number in (60, 240, 420, 600):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        frames.append(capture.read()[1])
    capture.release()
    detector = load_detector(find_card("nanodet-g-416"))
    far_kerb = [(85, 130), (300, 100), (300, 130), (85, 150)]
    windows = plan_windows(FRAME, detector.card.input.size, [far_kerb])

    def best_scores(looker: Any) -> np.ndarray:
        """Mean over the frames of the best score that fits each parked vehicle."""
        from edge_agent.detection.candidates import box_iou

        rows = []
        for frame in frames:
            found = looker.detect(frame)
            rows.append([max(found.scores[box_iou(box, found.boxes) >= 0.4], default=0.0) for box in parked])
        return np.array(rows).mean(axis=0)

    plain, tiled = best_scores(detector), best_scores(TiledDetector(detector, windows))
    assert (plain > 0.15).all()
    assert tiled[4:].mean() > plain[4:].mean() + 0.02, "the three at the far kerb"
