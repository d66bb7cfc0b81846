"""Every development model finds on three stills what an independent decoder found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.detection.detector import Detector, load_detector
from edge_agent.detection.model_card import ModelCard, find_card

CARDS = {
    "yolox_nano/yolox_nano.onnx": "yolox-nano-torch110",
    "nanodet_plus_m_416/nanodet_plus_m_416.onnx": "nanodet-plus-m-416",
    "nanodet_plus_m_1.5x/nanodet_plus_m_1.5x_416.onnx": "nanodet-plus-m-1.5x-416",
    "nanodet_plus_m_1.5x/nanodet_plus_m_1.5x_384x640.onnx": "nanodet-plus-m-1.5x-384x640",
    "deimv2_femto/deimv2_hgnetv2_femto_coco.onnx": "deimv2-femto-416",
    "fastestdet/FastestDet.onnx": "fastestdet-352",
    "nanodet_g/nanodet_g_416.onnx": "nanodet-g-416",
    "picodet_s/picodet_s_416_coco_clean.onnx": "picodet-s-416",
    "omz_pvb/person-vehicle-bike-detection-2002.onnx": "omz-pvb-2002",
    "omz_pvb/person-vehicle-bike-detection-2004.onnx": "omz-pvb-2004",
}
LEAST_SCORE = 0.35
"""Of what the file holds."""

BOX_PX, SCORE = 2.0, 0.02

Found = list[tuple[str, float, np.ndarray]]


def as_the_reference_saw_it(card: ModelCard) -> ModelCard:
    """The reference stretched every picture; the bundled card keeps proportions, which finds more."""
    if card.family != "nanodet":
        return card
    return replace(card, input=replace(card.input, resize="stretch", trim_to=None))


def look(detector: Detector, image: np.ndarray, least_score: float) -> Found:
    found = detector.find(image, least_score)
    return [
        (detector.card.classes[class_id], float(score), box)
        for class_id, score, box in zip(found.class_ids, found.scores, found.boxes, strict=True)
    ]


def partner(class_name: str, box: np.ndarray, others: Found) -> int | None:
    fits = [i for i, (name, _, other) in enumerate(others) if name == class_name and abs(box - other).max() <= BOX_PX]
    return fits[0] if fits else None


@pytest.mark.footage
@pytest.mark.parametrize("key", CARDS)
def test_a_model_finds_what_its_reference_found(key: str, shared_models: Path, footage: Path) -> None:
    expected: dict[str, Any] = json.loads((shared_models / "expected_detections.json").read_text())["models"]
    assert set(expected) == set(CARDS), "a model has an expected entry and no card, or the other way round"
    detector = load_detector(as_the_reference_saw_it(find_card(CARDS[key], shared_models)))
    seen = 0
    for still, wanted in expected[key].items():
        image = cv2.imread(str(footage / "real/coco_street/train2017/images" / still))
        height, width = image.shape[:2]
        left = look(detector, image, LEAST_SCORE - SCORE)
        for item in wanted:
            box = np.clip(np.array(item["box"]), 0, [width, height, width, height])
            place = partner(item["class"].replace("_", " "), box, left)
            assert place is not None, f"{still}: no {item['class']} at {item['box']}, left are {left}"
            assert left.pop(place)[1] == pytest.approx(item["score"], abs=SCORE)
            seen += 1
        assert [item for item in left if item[1] >= LEAST_SCORE + SCORE] == [], (
            f"{still}: found more than the reference"
        )
    assert seen > 0


@pytest.mark.footage
def test_the_bundled_model_computes_what_the_original_did(shared_models: Path, footage: Path) -> None:
    card = as_the_reference_saw_it(find_card("nanodet-g-416"))
    original_file = shared_models / "nanodet_g" / "nanodet_g_416.onnx"
    original_hash = "ecaaacb81e88171f716b25654f772783174fcc5f491edcce60bf08f92194b11f"
    original = load_detector(replace(card, model_path=original_file, sha256=original_hash))
    bundled = load_detector(card)
    count = 0
    for still in sorted((footage / "real/coco_street/train2017/images").glob("*.jpg"))[:12]:
        image = cv2.imread(str(still))
        before, now = original.find(image, 0.15), bundled.find(image, 0.15)
        assert before.class_ids.tolist() == now.class_ids.tolist()
        assert np.allclose(before.boxes, now.boxes, atol=0.01)
        assert np.allclose(before.scores, now.scores, atol=1e-4)
        count += len(now)
    assert count > 50
