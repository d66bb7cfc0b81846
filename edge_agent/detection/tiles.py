"""Looking closer: parts of a frame given to the detector on their own, and merged with what it saw in the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_agent.capture.frame import Image
from edge_agent.detection.candidates import suppress
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.detection.detector import Detector
from edge_agent.detection.model_card import ModelCard
from edge_agent.detection.windows import Window, plan_windows

__all__ = ["TiledDetector", "Window", "merge", "plan_windows", "whole_ones"]

CUT_MARGIN = 0.02
"""A box that ends this near to a window's inner edge, as a share of the window's side, is taken to be cut by it."""

SAME_THING_IOU = 0.5
"""Boxes of one group that overlap more than this in two looks at one frame are one thing."""


class TiledDetector:
    """A detector that looks at the whole frame and then at windows of it.

    Of a window only what scores half-way from ``memory_score`` to ``score_threshold`` counts: enlarging lifts what is
    there above that, and most of what stays below it is clutter.
    """

    def __init__(self, detector: Detector, windows: Sequence[Window]) -> None:
        self.windows = tuple(windows)
        self._detector = detector
        card = detector.card
        self._least_score = (card.memory_score + card.score_threshold) / 2

    @property
    def card(self) -> ModelCard:
        """The card of the detector's model."""
        return self._detector.card

    @property
    def inferences(self) -> int:
        """Looks taken so far, of whole frames and of windows."""
        return self._detector.inferences

    @property
    def inference_s(self) -> float:
        """Seconds they took."""
        return self._detector.inference_s

    def detect(self, image: Image) -> Detections:
        """As ``Detector.detect``, with what the windows add. Boxes are in pixels of ``image``."""
        height, width = image.shape[:2]
        looks = [self._detector.detect(image)]
        for window in self.windows:
            part = np.ascontiguousarray(image[window.top : window.bottom, window.left : window.right])
            found = self._detector.detect(part)
            likely = found.keep(found.scores >= self._least_score)
            looks.append(whole_ones(likely, window, (width, height)))
        return merge(looks)


def whole_ones(found: Detections, window: Window, frame_size: tuple[int, int]) -> Detections:
    """Detections of a window without those its inner edges cut, in pixels of the frame, ``frame_size`` (w, h).

    An inner edge is one behind which the frame goes on: what touches it is seen whole, if at all, by another look.
    """
    x_margin, y_margin = CUT_MARGIN * window.width, CUT_MARGIN * window.height
    boxes = found.boxes
    cut = np.zeros(len(found), bool)
    if window.left > 0:
        cut |= boxes[:, 0] < x_margin
    if window.top > 0:
        cut |= boxes[:, 1] < y_margin
    if window.right < frame_size[0]:
        cut |= boxes[:, 2] > window.width - x_margin
    if window.bottom < frame_size[1]:
        cut |= boxes[:, 3] > window.height - y_margin
    kept = found.keep(~cut)
    offset = np.array([window.left, window.top, window.left, window.top], np.float32)
    return Detections(kept.boxes + offset, kept.scores, kept.class_names, kept.groups)


def merge(looks: Sequence[Detections]) -> Detections:
    """One detection per thing from several looks at the same frame, best score first."""
    boxes = np.concatenate([look.boxes for look in looks])
    scores = np.concatenate([look.scores for look in looks])
    names = [name for look in looks for name in look.class_names]
    groups = [group for look in looks for group in look.groups]
    order = list(ClassGroup)
    labels = np.array([order.index(group) for group in groups], np.int64)
    kept = suppress(boxes, scores, labels, SAME_THING_IOU)
    return Detections(boxes[kept], scores[kept], tuple(names[i] for i in kept), tuple(groups[i] for i in kept))
