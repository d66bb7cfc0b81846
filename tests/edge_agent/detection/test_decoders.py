"""Each family's decoder on tensors whose boxes are known."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.detection.candidates import suppress
from edge_agent.detection.decoders import decoder, known_families

SIZE = (64, 32)
CLASSES = 3


def cells(*strides: int) -> list[int]:
    return [-(-SIZE[0] // stride) * -(-SIZE[1] // stride) for stride in strides]


def bins_at(distances: tuple[int, int, int, int], bins: int) -> np.ndarray:
    """Logits whose softmax stands, but for 1e-8, on one bin for each side."""
    logits = np.zeros((4, bins), np.float32)
    logits[range(4), distances] = 30
    return logits.ravel()


def test_every_family_of_the_design_has_a_decoder() -> None:
    assert {"yolox", "nanodet", "nanodet_plus", "picodet", "deim", "ssd"} <= set(known_families())


def test_an_unknown_family_has_none() -> None:
    with pytest.raises(KeyError):
        decoder("yolo99")


@pytest.mark.parametrize(("family", "strides", "bins"), [("nanodet", (8, 16, 32), 11), ("picodet", (8, 16, 32, 64), 8)])
def test_a_centred_head_gives_the_box_around_the_middle_of_its_cell(
    family: str, strides: tuple[int, ...], bins: int
) -> None:
    scores = [np.zeros((1, count, CLASSES), np.float32) for count in cells(*strides)]
    logits = [np.zeros((1, count, 4 * bins), np.float32) for count in cells(*strides)]
    row = 4 + 1  # second row, second column of the 4 x 2 cells of stride 16
    scores[1][0, row, 2] = 0.8
    logits[1][0, row] = bins_at((1, 1, 2, 0), bins)
    found = decoder(family)([*scores, *logits], SIZE, 0.5)
    assert found.class_ids.tolist() == [2]
    assert found.scores == pytest.approx([0.8])
    assert found.boxes[0] == pytest.approx([24 - 16, 24 - 16, 24 + 32, 24], abs=1e-3)


def test_nanodet_plus_gives_the_box_around_the_corner_of_its_cell() -> None:
    output = np.zeros((1, sum(cells(8, 16, 32, 64)), CLASSES + 32), np.float32)
    row = sum(cells(8)) + 4 + 1
    output[0, row, 0] = 0.6
    output[0, row, CLASSES:] = bins_at((1, 0, 2, 1), 8)
    found = decoder("nanodet_plus")([output], SIZE, 0.5)
    assert found.class_ids.tolist() == [0]
    assert found.boxes[0] == pytest.approx([0, 16, 48, 32], abs=1e-3)


def test_a_distance_between_two_bins_is_their_mean() -> None:
    output = np.zeros((1, sum(cells(8, 16, 32, 64)), CLASSES + 32), np.float32)
    output[0, 0, 1] = 0.6
    output[0, 0, CLASSES:] = (bins_at((2, 2, 2, 2), 8) + bins_at((3, 3, 3, 3), 8)).ravel()
    found = decoder("nanodet_plus")([output], SIZE, 0.5)
    assert found.boxes[0] == pytest.approx([-20, -20, 20, 20], abs=1e-3)


def test_yolox_multiplies_objectness_and_class_and_moves_from_the_cell() -> None:
    output = np.zeros((1, sum(cells(8, 16, 32)), 5 + CLASSES), np.float32)
    row = sum(cells(8)) + 2  # first row, third column of stride 16
    output[0, row] = [0.5, 0.25, np.log(2), np.log(1), 0.9, 0.1, 0.8, 0.3]
    output[0, 0] = [0, 0, 0, 0, 0.9, 0.4, 0.3, 0.2]
    found = decoder("yolox")([output], SIZE, 0.5)
    assert found.class_ids.tolist() == [1]
    assert found.scores == pytest.approx([0.72])
    assert found.boxes[0] == pytest.approx([40 - 16, 4 - 8, 40 + 16, 4 + 8])


def test_deim_gives_back_what_reaches_the_score() -> None:
    labels = np.array([[7, 2, 0]], np.int64)
    boxes = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    scores = np.array([[0.9, 0.4, 0.5]], np.float32)
    found = decoder("deim")([labels, boxes, scores], SIZE, 0.5)
    assert found.class_ids.tolist() == [7, 0]
    assert found.boxes.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]


def test_a_box_of_ssd_counts_for_each_class_that_reaches_the_score() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0.5, 0.5]], np.float32)
    scores = np.array([[0.6, 0.7], [0.1, 0.2]], np.float32)
    found = decoder("ssd")([boxes, scores], SIZE, 0.5)
    assert found.class_ids.tolist() == [0, 1]
    assert found.boxes.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]


def test_fastestdet_weighs_objectness_against_class() -> None:
    output = np.zeros((1, 5 + CLASSES, 2, 4), np.float32)
    output[0, :, 1, 2] = [0.5, np.arctanh(0.5), np.arctanh(0.25), 0, 0, 0.1, 0.2, 0.9]
    found = decoder("fastestdet")([output], SIZE, 0.3)
    assert found.class_ids.tolist() == [2]
    assert found.scores == pytest.approx([0.5**0.6 * 0.9**0.4])
    assert found.boxes[0] == pytest.approx([2.5 * 16 - 16, 1.25 * 16 - 8, 2.5 * 16 + 16, 1.25 * 16 + 8])


@pytest.mark.parametrize("family", known_families())
def test_outputs_of_another_family_are_refused(family: str) -> None:
    with pytest.raises(ValueError, match=r"needed|must|fit"):
        decoder(family)([np.zeros((1, 7, 5), np.float32)] * 2 if family != "ssd" else [], SIZE, 0.5)


@pytest.mark.parametrize("count", [1, 6])
def test_an_empty_picture_has_no_candidates(count: int) -> None:
    outputs = [np.zeros((1, cells(8)[0] + cells(16)[0] + cells(32)[0], 5 + CLASSES), np.float32)]
    if count == 6:
        outputs = [np.zeros((1, n, k), np.float32) for k in (CLASSES, 44) for n in cells(8, 16, 32)]
    assert len(decoder("yolox" if count == 1 else "nanodet")(outputs, SIZE, 0.15)) == 0


def test_of_boxes_on_one_place_the_best_of_each_label_stays_and_equal_scores_keep_their_order() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 50, 60, 60], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.5, 0.9, 0.4, 0.7, 0.7], np.float32)
    labels = np.array([0, 0, 1, 0, 0])
    assert suppress(boxes, scores, labels, 0.5).tolist() == [1, 3, 2]
