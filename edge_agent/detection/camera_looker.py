"""One camera's share of a detector that several cameras use."""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.capture.frame import Image
from edge_agent.detection.detections import Detections
from edge_agent.detection.detector import Detector
from edge_agent.detection.tiles import TiledDetector
from edge_agent.detection.windows import Window


class CameraLooker:
    """Looks at one camera's frames, at ``windows`` too, and counts what that costs.

    ``inferences`` and ``inference_s`` are this camera's alone, provided that cameras take turns with the detector.
    """

    def __init__(self, detector: Detector, windows: Sequence[Window]) -> None:
        self.windows = tuple(windows)
        self.inferences = 0
        self.inference_s = 0.0
        self._detector = detector
        self._looker = TiledDetector(detector, windows) if windows else detector

    def detect(self, image: Image) -> Detections:
        """Everything found in the frame, weak scores included."""
        inferences, inference_s = self._detector.inferences, self._detector.inference_s
        found = self._looker.detect(image)
        self.inferences += self._detector.inferences - inferences
        self.inference_s += self._detector.inference_s - inference_s
        return found
