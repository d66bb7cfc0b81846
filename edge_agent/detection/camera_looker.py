"""One camera's share of a detector that several cameras use."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from edge_agent.capture.frame import Image
from edge_agent.detection.close_up import Box, close_ups
from edge_agent.detection.detections import Detections
from edge_agent.detection.detector import Detector
from edge_agent.detection.tiles import TiledDetector, merge, whole_ones
from edge_agent.detection.windows import Window


class CameraLooker:
    """Looks at one camera's frames, at ``windows`` too, and counts what that costs: ``inferences`` runs of the model,
    ``inference_s`` seconds for them and for what lies around them. Both are this camera's alone."""

    def __init__(self, detector: Detector, windows: Sequence[Window]) -> None:
        self.windows = tuple(windows)
        self.inferences = 0
        self.inference_s = 0.0
        self._detector = detector
        self._looker = TiledDetector(detector, windows) if windows else detector

    def detect(self, image: Image, *, closely: bool = True) -> Detections:
        """Everything found in the frame, weak scores included; unless ``closely``, in the whole frame alone."""
        started = time.perf_counter()
        found = (self._looker if closely else self._detector).detect(image)
        self.inferences += 1 + (len(self.windows) if closely else 0)
        self.inference_s += time.perf_counter() - started
        return found

    def look_at(self, image: Image, place: Box) -> Detections:
        """What is seen whole in enlarged parts of the frame around a place, weak scores included."""
        started = time.perf_counter()
        size = image.shape[1], image.shape[0]
        parts = close_ups(place, size)
        looks = []
        for part in parts:
            picture = np.ascontiguousarray(image[part.top : part.bottom, part.left : part.right])
            looks.append(whole_ones(self._detector.detect(picture), part, size))
        found = merge(looks)
        self.inferences += len(parts)
        self.inference_s += time.perf_counter() - started
        return found
