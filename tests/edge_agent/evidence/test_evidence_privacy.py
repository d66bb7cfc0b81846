"""Nobody is recognisable in what is kept or shown."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.capture.video import VideoSource
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.detection.detector import load_detector
from edge_agent.detection.model_card import find_card
from edge_agent.evidence.privacy import mask_people, overlap

Box = tuple[float, float, float, float]


def people(*boxes: Box, score: float = 0.6, group: ClassGroup = ClassGroup.PERSON) -> Detections:
    count = len(boxes)
    scores = np.full(count, score, np.float32)
    return Detections(np.array(boxes, np.float32).reshape(count, 4), scores, (group.value,) * count, (group,) * count)


def noise(width: int = 320, height: int = 240) -> np.ndarray:
    fine = np.random.default_rng(1).integers(0, 256, (height // 2, width // 2, 3), np.uint8)
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_CUBIC)


def detail(image: np.ndarray) -> np.ndarray:
    """What is finer than a sixth of the picture's longer side."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return (grey - cv2.GaussianBlur(grey, (0, 0), max(image.shape[:2]) / 12)).ravel()


@pytest.mark.parametrize("box", [(100, 40, 140, 160), (20, 20, 200, 220), (60, 60, 66, 76)])
def test_a_person_becomes_a_few_blocks_that_tell_nothing_of_the_detail(box: Box) -> None:
    image = noise()
    masked, count = mask_people(image, people(box))
    x1, y1, x2, y2 = (int(side) for side in box)
    inside = masked[y1:y2, x1:x2]
    assert count == 1
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= 8 * 8
    assert abs(np.corrcoef(detail(image[y1:y2, x1:x2]), detail(inside))[0, 1]) < 0.35


def test_the_picture_that_was_given_stays_as_it_was() -> None:
    image = noise()
    before = image.copy()
    mask_people(image, people((100, 40, 140, 160)))
    assert np.array_equal(image, before)


def test_head_and_feet_that_the_box_cuts_off_are_masked_too() -> None:
    image = noise()
    masked, _ = mask_people(image, people((100, 60, 140, 160)))
    assert not np.array_equal(masked[47:58, 105:135], image[47:58, 105:135])
    assert not np.array_equal(masked[162:173, 105:135], image[162:173, 105:135])
    assert np.array_equal(masked[:40], image[:40])


def test_the_weakest_person_is_masked_and_other_groups_are_not() -> None:
    image = noise()
    assert mask_people(image, people((100, 40, 140, 160), score=0.06))[1] == 1
    masked, count = mask_people(image, people((100, 40, 140, 160), group=ClassGroup.VEHICLE))
    assert count == 0
    assert np.array_equal(masked, image)


def test_a_small_box_inside_a_large_one_never_shows_finer_blocks() -> None:
    large, small = (40, 10, 140, 230), (80, 20, 104, 50)
    image = noise()
    for order in ((large, small), (small, large)):
        both, _ = mask_people(image, people(*order))
        assert len(np.unique(both[20:50, 80:104].reshape(-1, 3), axis=0)) <= 4


def test_a_person_in_front_of_the_subject_is_masked_and_the_rest_of_it_is_not() -> None:
    image = noise()
    subject = (40.0, 60.0, 240.0, 200.0)
    masked, count = mask_people(image, people((150, 80, 190, 200)), subject)
    assert count == 1
    assert np.array_equal(masked[60:200, 40:140], image[60:200, 40:140])


def test_a_weak_person_box_on_the_subject_itself_leaves_the_subject_visible() -> None:
    image = noise()
    subject = (100.0, 60.0, 180.0, 200.0)
    coinciding = (104, 64, 178, 196)
    assert mask_people(image, people(coinciding, score=0.2), subject)[1] == 0
    assert mask_people(image, people(coinciding, score=0.8), subject)[1] == 1
    assert mask_people(image, people(coinciding, score=0.2), None)[1] == 1


def test_boxes_that_lie_outside_the_picture_do_no_harm() -> None:
    image = noise()
    masked, _ = mask_people(image, people((-50, -50, 20, 30), (300, 200, 500, 400), (400, 300, 420, 340)))
    assert masked.shape == image.shape


@pytest.mark.footage
def test_the_detector_finds_nobody_where_people_were_masked(footage: Path) -> None:
    detector = load_detector(find_card("nanodet-g-416"), threads=1)
    frames = list(VideoSource(footage / "real/opencv/vtest.avi", 20.0).frames())
    sure = 0
    for frame in frames:
        before = detector.detect(frame.image)
        masked, _ = mask_people(frame.image, before)
        after = detector.detect(masked)
        left = [
            tuple(after.boxes[n])
            for n in range(len(after))
            if after.groups[n] is ClassGroup.PERSON and after.scores[n] >= 0.4
        ]
        for n in range(len(before)):
            if before.groups[n] is ClassGroup.PERSON and before.scores[n] >= 0.4:
                sure += 1
                assert all(overlap(tuple(before.boxes[n]), box) < 0.4 for box in left)
    assert sure >= 8
