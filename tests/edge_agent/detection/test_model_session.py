"""A model that does not fit its card is refused at start, with a message that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.detection.detections import ClassGroup
from edge_agent.detection.detector import load_detector
from edge_agent.detection.model_card import ModelError, read_card

PICTURE = np.full((100, 200, 3), 90, np.uint8)


def refusal(card_path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_detector(read_card(card_path))
    return str(caught.value)


def test_a_model_that_fits_its_card_gives_boxes_in_pixels_of_the_picture(make_model: Any) -> None:
    found = load_detector(read_card(make_model())).detect(PICTURE)
    assert found.class_names == ("car", "person")
    assert found.groups == (ClassGroup.VEHICLE, ClassGroup.PERSON)
    assert found.boxes == pytest.approx(np.array([[20, 10, 100, 50], [120, 60, 180, 90]]), abs=1e-3)


def test_a_letterboxed_model_gives_boxes_in_pixels_of_the_picture(make_model: Any) -> None:
    spec = {"name": "image", "width": 64, "height": 64, "resize": "letterbox_top_left"}
    found = load_detector(read_card(make_model(input=spec))).detect(PICTURE)
    assert found.boxes[0] == pytest.approx([20, 20, 100, 100], abs=1e-3)
    assert found.boxes.max() <= 200
    assert len(found) == 1, "what lies wholly in the padding is nothing"


def test_classes_without_a_group_are_left_out(make_model: Any) -> None:
    found = load_detector(read_card(make_model(groups={"person": ["person"]}))).detect(PICTURE)
    assert found.class_names == ("person",)


def test_what_scores_less_than_the_memory_score_is_left_out(make_model: Any) -> None:
    card = read_card(make_model(memory_score=0.6, score_threshold=0.7))
    assert load_detector(card).detect(PICTURE).class_names == ("car",)


def test_a_missing_file_says_how_to_get_it(make_model: Any, tmp_path: Path) -> None:
    path = make_model()
    (tmp_path / "tiny.onnx").unlink()
    assert "its file tiny.onnx is not here: fetch it with 'clearway-agent models pull tiny'" in refusal(path)


def test_a_file_with_another_hash_is_refused(make_model: Any, tmp_path: Path) -> None:
    path = make_model()
    with (tmp_path / "tiny.onnx").open("ab") as file:
        file.write(b"\0")
    message = refusal(path)
    assert str(tmp_path / "tiny.onnx") in message
    assert "its sha256 is" in message
    assert "fetch it again" in message


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08\x12\x07pytorch" * 9])
def test_a_file_that_is_no_onnx_is_refused(make_model: Any, content: bytes) -> None:
    assert "tiny.onnx: not an ONNX model that can be loaded" in refusal(make_model(content))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"input": {"name": "picture", "width": 64, "height": 64}}, "the model's inputs are ['image']"),
        ({"input": {"name": "image", "width": 96, "height": 64}}, "input 'image' is tensor(float) [1, 3, 64, 64]"),
        (
            {"input": {"name": "image", "width": 64, "height": 64, "resize": "letterbox_top_left", "trim_to": 32}},
            "input 'image' is tensor(float) [1, 3, 64, 64]",
        ),
        ({"extra_inputs": [{"name": "sizes", "value": "input_size"}]}, "says ['image', 'sizes']"),
        (
            {"outputs": [{"name": "dets", "shape": [2, 4]}, {"name": "scores", "shape": [2, 2]}]},
            "the model has no output 'dets'",
        ),
        (
            {"outputs": [{"name": "boxes", "shape": [9, 4]}, {"name": "scores", "shape": [2, 2]}]},
            "output 'boxes' has shape [2, 4]",
        ),
        (
            {"outputs": [{"name": "scores", "shape": [2, 2]}, {"name": "boxes", "shape": [2, 4]}]},
            "the outputs do not fit family 'ssd'",
        ),
        ({"family": "nanodet"}, "the outputs do not fit family 'nanodet': 6 outputs are needed, there are 2"),
    ],
)
def test_inputs_and_outputs_that_do_not_fit_are_named(make_model: Any, changes: dict[str, Any], says: str) -> None:
    path = make_model(**changes)
    message = refusal(path)
    assert says in message
    assert str(path) in message
