"""A tiny model, made for a test: it finds the boxes it was made with, in any picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

MakeModel = Callable[..., Path]

BOXES = [[0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]]
SCORES = [[0.9, 0.0], [0.0, 0.5]]


def tiny_onnx(size: int = 64, output: str = "boxes") -> onnx.ModelProto:
    """A graph of family ``ssd`` whose boxes and scores are constants."""
    initialisers = [
        numpy_helper.from_array(np.array(BOXES, np.float32), "made_boxes"),
        numpy_helper.from_array(np.array(SCORES, np.float32), "made_scores"),
        numpy_helper.from_array(np.zeros(1, np.float32), "nothing"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["made_boxes", "zero"], [output]),
        helper.make_node("Add", ["made_scores", "zero"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])],
        [
            helper.make_tensor_value_info(output, TensorProto.FLOAT, [2, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [2, 2]),
        ],
        initialisers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Writes ``tiny.onnx`` and its card, with fields changed or, given None, left out; gives the card's path."""

    def make(content: bytes | None = None, **changes: Any) -> Path:
        data = tiny_onnx().SerializeToString() if content is None else content
        (tmp_path / "tiny.onnx").write_bytes(data)
        card: dict[str, Any] = {
            "name": "tiny",
            "file": "tiny.onnx",
            "family": "ssd",
            "input": {"name": "image", "width": 64, "height": 64},
            "outputs": [{"name": "boxes", "shape": [2, 4]}, {"name": "scores", "shape": [2, 2]}],
            "boxes": "normalised",
            "classes": ["car", "person"],
            "groups": {"vehicle": ["car"], "person": ["person"]},
            "score_threshold": 0.5,
            "nms_iou": 0.5,
            "sha256": hashlib.sha256(data).hexdigest(),
            "licence": "Apache-2.0",
            "source": "made for a test",
        }
        card.update(changes)
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in card.items() if value is not None}))
        return path

    return make


@pytest.fixture(scope="session")
def street(root: Path) -> np.ndarray:
    """A frame of the demo recording in which a car stands at the kerb."""
    clip = root / "config" / "demo" / "P1_kerb_parking.mp4"
    if not clip.is_file():
        pytest.skip("the demo recording config/demo/P1_kerb_parking.mp4 is not here")
    capture = cv2.VideoCapture(str(clip))
    try:
        capture.set(cv2.CAP_PROP_POS_FRAMES, 150)
        good, image = capture.read()
    finally:
        capture.release()
    assert good
    return image


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the models of whoever runs the tests out of them."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CLEARWAY_MODELS_DIR", raising=False)
