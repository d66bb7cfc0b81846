"""From a picture to detections."""

from __future__ import annotations

import time
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.frame import Image
from edge_agent.detection.candidates import Candidates, suppress
from edge_agent.detection.decoders import decoder
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.detection.model_card import InputSpec, ModelCard, ModelError
from edge_agent.detection.session import Session, check_arrays

ONE_THING_IOU = 0.65
"""Boxes of one group that overlap more than this are one thing under two class names (a car, a truck)."""


class Detector:
    """One loaded model. ``inferences`` and ``inference_s`` count the pictures looked at and the seconds it took."""

    def __init__(self, card: ModelCard, session: Session) -> None:
        self.card = card
        self.inferences = 0
        self.inference_s = 0.0
        self._session = session
        self._decode = decoder(card.family)
        self._groups = tuple(card.group_of(class_id) for class_id in range(len(card.classes)))
        order = list(ClassGroup)
        self._labels = np.array([-1 if group is None else order.index(group) for group in self._groups], np.int64)

    def detect(self, image: Image) -> Detections:
        """Everything of a grouped class that scores at least ``card.memory_score``, best first, one box per thing."""
        found = self.find(image, self.card.memory_score)
        found = found.take(np.flatnonzero(self._labels[found.class_ids] >= 0))
        found = found.take(suppress(found.boxes, found.scores, self._labels[found.class_ids], ONE_THING_IOU))
        groups = tuple(group for class_id in found.class_ids if (group := self._groups[class_id]) is not None)
        names = tuple(self.card.classes[class_id] for class_id in found.class_ids)
        return Detections(found.boxes, found.scores, names, groups)

    def find(self, image: Image, min_score: float) -> Candidates:
        """Candidates of every class of the card that score at least ``min_score``, suppressed within each class.

        Boxes are in pixels of ``image`` and lie inside it.
        """
        started = time.perf_counter()
        height, width = image.shape[:2]
        blob = to_blob(image, self.card.input)
        found = self._decode(self._session.run(blob), (blob.shape[3], blob.shape[2]), min_score)
        found = found.take(np.flatnonzero(found.class_ids < len(self.card.classes)))
        found = found.take(suppress(found.boxes, found.scores, found.class_ids, self.card.nms_iou))
        found = Candidates(self._to_pixels(found.boxes, width, height), found.scores, found.class_ids)
        found = found.take(np.flatnonzero((found.boxes[:, 2:] > found.boxes[:, :2]).all(axis=1)))
        self.inferences += 1
        self.inference_s += time.perf_counter() - started
        return found

    def run_bare(self, blob: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The model's raw outputs for an input as ``to_blob`` makes it: the least that a look costs."""
        return self._session.run(blob)

    def _to_pixels(self, boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
        spec = self.card.input
        scale = 1 / np.array(spec.scale_for(width, height), np.float32)
        if self.card.boxes == "normalised":
            scale *= np.array(spec.size_for(width, height), np.float32)
        corners = boxes.reshape(-1, 2, 2) * scale
        inside = np.clip(corners, 0, np.array([width, height], np.float32))
        result: NDArray[np.float32] = inside.reshape(-1, 4).astype(np.float32)
        return result


def load_detector(card: ModelCard, threads: int | None = None) -> Detector:
    """A detector that was tried: hash, inputs and outputs fit its card, and its decoder took a first run.

    ``threads`` is how many cores one run may use; None takes up to four of those this process may use. Raises
    ``ModelError``.
    """
    session = Session(card, threads)
    blank = np.zeros((1, 3, card.input.height, card.input.width), np.float32)
    outputs = session.run(blank)
    check_arrays(card, outputs)
    try:
        decoder(card.family)(outputs, card.input.size, card.memory_score)
    except ValueError as error:
        raise ModelError(
            f"{card.card_path}: the outputs do not fit family {card.family!r}: {error}: correct family or outputs"
        ) from error
    return Detector(card, session)


def to_blob(image: Image, spec: InputSpec) -> NDArray[np.float32]:
    """The model's input, (1, 3, height, width), of a picture, (h, w, 3) BGR 0-255."""
    height, width = image.shape[:2]
    across, down = spec.scale_for(width, height)
    size = spec.size_for(width, height)
    how = cv2.INTER_AREA if spec.interpolation == "area" else cv2.INTER_LINEAR
    if spec.resize == "stretch":
        resized = cv2.resize(image, size, interpolation=how)
    else:
        inner = cv2.resize(image, (max(1, int(width * across)), max(1, int(height * down))), interpolation=how)
        below, beside = size[1] - inner.shape[0], size[0] - inner.shape[1]
        resized = cv2.copyMakeBorder(inner, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(spec.pad,) * 3)
    planes = cv2.split(resized, list(np.empty((3, size[1], size[0]), np.uint8)))
    blob = np.empty((1, 3, size[1], size[0]), np.float32)
    for channel, levels in enumerate(_levels(spec.mean, spec.std)):
        cv2.LUT(planes[2 - channel if spec.colour == "rgb" else channel], levels, dst=blob[0, channel])
    return blob


@lru_cache(maxsize=16)
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[NDArray[np.float32], ...]:
    """What each of the 256 levels of a channel becomes, for each channel: (256,) float32."""
    grey = np.arange(256, dtype=np.float32)
    return tuple(
        (grey - np.float32(of)) * np.float32(1 / spread) if spread != 1 else grey - np.float32(of)
        for of, spread in zip(mean, std, strict=True)
    )
