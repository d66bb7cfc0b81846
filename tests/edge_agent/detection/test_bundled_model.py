"""The model that comes with the project, on any machine."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.detection.candidates import box_iou
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.detection.detector import Detector, load_detector, to_blob
from edge_agent.detection.model_card import InputSpec, bundled_dir, card_paths, find_card, read_card


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(find_card("nanodet-g-416"))


def raw(found: Detections) -> tuple[bytes, bytes, tuple[str, ...]]:
    return found.boxes.tobytes(), found.scores.tobytes(), found.class_names


def test_it_sees_the_car_at_the_kerb(detector: Detector, street: np.ndarray) -> None:
    found = detector.detect(street)
    vehicles = found.keep(np.array([group is ClassGroup.VEHICLE for group in found.groups]))
    assert vehicles.scores[0] > 0.5
    x1, y1, x2, y2 = vehicles.boxes[0]
    assert 0 <= x1 < x2 <= street.shape[1]
    assert 0 <= y1 < y2 <= street.shape[0]


def test_detections_come_best_first_and_none_below_the_memory_score(detector: Detector, street: np.ndarray) -> None:
    scores = detector.detect(street).scores
    assert len(scores) > 1
    assert (np.diff(scores) <= 0).all()
    assert scores.min() >= detector.card.memory_score


def test_one_thing_under_two_class_names_of_a_group_is_one_detection(detector: Detector, street: np.ndarray) -> None:
    found = detector.detect(street)
    for place in range(len(found)):
        later = [i for i in range(place + 1, len(found)) if found.groups[i] is found.groups[place]]
        assert (box_iou(found.boxes[place], found.boxes[later]) <= 0.65 + 1e-6).all()


def test_it_sees_the_same_car_at_the_same_place_in_a_picture_twice_as_large(
    detector: Detector, street: np.ndarray
) -> None:
    small = detector.detect(street)
    large = detector.detect(cv2.resize(street, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR))
    assert large.class_names[0] == small.class_names[0]
    assert large.boxes[0] / 2 == pytest.approx(small.boxes[0], abs=6)


@pytest.mark.parametrize("shape", [(90, 160), (400, 100), (33, 31), (1080, 1920)])
def test_a_picture_of_any_shape_can_be_looked_at(detector: Detector, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    found = detector.detect(noise)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= np.array([shape[1], shape[0], shape[1], shape[0]])).all()


def test_threads_and_load_change_not_a_byte(street: np.ndarray) -> None:
    card = find_card("nanodet-g-416")
    expected = raw(load_detector(card, 1).detect(street))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        detector = load_detector(card, 2)
        with ThreadPoolExecutor(2) as pool:
            assert all(raw(found) == expected for found in pool.map(detector.detect, [street] * 4))
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_looks_and_their_seconds_are_counted(street: np.ndarray) -> None:
    detector = load_detector(find_card("nanodet-g-416"))
    assert (detector.inferences, detector.inference_s) == (0, 0.0)
    detector.detect(street)
    detector.detect(street)
    assert detector.inferences == 2
    assert detector.inference_s > 0


def test_every_bundled_card_is_good() -> None:
    paths = card_paths()
    assert {"nanodet-g-416", "yolox-nano", "yolox-tiny", "yolox-s"} <= set(paths)
    for path in paths.values():
        card = read_card(path)
        assert card.url is None or card.url.startswith("https://")
        assert card.memory_score <= card.score_threshold


def test_the_notices_of_the_bundled_model_stand_beside_it() -> None:
    notices = [bundled_dir() / name for name in ("NOTICE.md", "LICENSE.nanodet", "LICENSE.human-models")]
    texts = [path.read_text() for path in notices]
    assert "RangiLyu" in texts[1]
    assert "Apache License" in texts[1]
    assert "Vladimir Mandic" in texts[2]
    assert all(path.name in texts[0] for path in notices[1:])


def test_the_input_is_what_the_formula_says() -> None:
    image = np.random.default_rng(5).integers(0, 256, (40, 60, 3), np.uint8)
    spec = InputSpec("image", 60, 40, "rgb", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    wanted = (image[:, :, ::-1].astype(np.float64) - [1, 2, 3]) / [4, 5, 6]
    assert to_blob(image, spec)[0] == pytest.approx(wanted.transpose(2, 0, 1), abs=1e-5)


def test_a_letterboxed_picture_keeps_its_proportions_and_leaves_the_rest_to_the_pad() -> None:
    image = np.full((50, 100, 3), 200, np.uint8)
    spec = InputSpec("image", 64, 64, resize="letterbox_top_left", pad=114)
    blob = to_blob(image, spec)[0]
    assert blob.shape == (3, 64, 64)
    assert (blob[:, :32] == 200).all()
    assert (blob[:, 32:] == 114).all()


def test_a_trimmed_input_is_only_as_large_as_the_picture_needs() -> None:
    spec = InputSpec("image", 416, 416, resize="letterbox_top_left", trim_to=32)
    assert spec.size_for(640, 360) == (416, 256)
    assert spec.size_for(360, 640) == (256, 416)
    assert spec.size_for(500, 500) == (416, 416)
    assert spec.size_for(4000, 40) == (416, 32)


def test_the_program_that_makes_the_model_refuses_weights_it_would_round(tmp_path: Path, root: Path) -> None:
    onnx = pytest.importorskip("onnx")
    weights = onnx.numpy_helper.from_array(np.full(512, 0.1, np.float32), "weights")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 4, 128])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3, 4, 128])
    shaped = onnx.numpy_helper.from_array(np.array([4, 128], np.int64), "shape")
    nodes = [
        onnx.helper.make_node("Reshape", ["weights", "shape"], ["w"]),
        onnx.helper.make_node("Add", ["x", "w"], ["y"]),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [value], [out], [weights, shaped])
    source = tmp_path / "rounding.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), source)
    command = [sys.executable, str(root / "models/make_nanodet_g.py"), str(source), str(tmp_path / "out.onnx")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "float16 cannot hold 'weights' exactly" in ended.stderr
    assert not (tmp_path / "out.onnx").exists()
