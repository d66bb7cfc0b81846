"""What a frame of a passage costs beside one run of the bundled detector, in one process and one thread.

python -m tests.benchmarks.passage_frame [SUITE [CLIP...]]
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge_agent.assembly import Site, build_pipeline, card_of
from edge_agent.capture.frame import Image
from edge_agent.capture.open_source import open_recording
from edge_agent.config import PassageZone, SiteConfig
from edge_agent.detection.candidates import Candidates
from edge_agent.detection.detector import Detector
from edge_agent.detection.model_card import ModelCard
from edge_agent.detection.session import Session
from edge_agent.evaluation.suite import Clip, load_suite
from edge_agent.lifetime.heap import keep_heap_small

MODEL = "nanodet-g-416"
SUITE = Path("tests/suites/demo.yaml")
"""Its footbridge comes with the project."""


class TimedDetector(Detector):
    """A detector that keeps what each run cost, with what makes its input and reads its output, in CPU milliseconds."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card, Session(card, 1))
        self.runs_ms: list[float] = []

    def find(self, image: Image, min_score: float) -> Candidates:
        """As of any detector."""
        start = time.process_time()
        found = super().find(image, min_score)
        self.runs_ms.append((time.process_time() - start) * 1000)
        return found


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds over one clip: ``run_ms`` for one run of the model, in the median; ``frame_ms`` for all of a
    frame but its decoding and the model's ``runs`` (a frame), in the median, and ``worst_ms``, which one in twenty
    exceeds."""

    run_ms: float
    frame_ms: float
    worst_ms: float
    runs: float

    @property
    def ratio(self) -> float:
        """A frame in runs of the model."""
        return self.frame_ms / self.run_ms


def measure(clip: Clip, site: SiteConfig, card: ModelCard) -> Cost:
    """What the frames of a clip cost, played as ``clearway-agent evaluate`` plays it. Raises ``SourceError``."""
    detector = TimedDetector(card)
    source = open_recording(clip.camera, site.time_zone)
    info = source.probe()
    pipeline = build_pipeline(clip.camera, Site("bench", site, ""), detector, info.width, info.height)
    frames_ms: list[float] = []
    for frame in source.frames():
        before, start = sum(detector.runs_ms), time.process_time()
        pipeline.process(frame)
        frames_ms.append((time.process_time() - start) * 1000 - (sum(detector.runs_ms) - before))
    return Cost(
        float(np.median(detector.runs_ms)),
        float(np.median(frames_ms)),
        float(np.quantile(frames_ms, 0.95)),
        len(detector.runs_ms) / max(len(frames_ms), 1),
    )


def main(suite: Path = SUITE, clips: tuple[str, ...] = ()) -> None:
    """Print a table of the passages of a suite that are here."""
    cv2.setNumThreads(1)
    keep_heap_small()
    loaded = load_suite(suite)
    table = Table("clip", "frame, ms", "one in 20 above, ms", "a run of the model, ms", "frame in runs", "runs a frame")
    for clip in loaded.choose(clips):
        if clip.missing is None and any(isinstance(zone, PassageZone) for zone in clip.camera.zones):
            cost = measure(clip, loaded.site, card_of(clip.camera, MODEL, None))
            table.add_row(
                clip.name,
                *(f"{ms:.1f}" for ms in (cost.frame_ms, cost.worst_ms, cost.run_ms)),
                f"{cost.ratio:.2f}",
                f"{cost.runs:.1f}",
            )
    Console(file=sys.stdout).print(table)


if __name__ == "__main__":
    main(*(Path(suite) for suite in sys.argv[1:2]), *((tuple(sys.argv[2:]),) if sys.argv[2:] else ()))
