"""Cameras whose source does what a test says: give frames, fail, hang, come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge_agent import camera_runner
from edge_agent.assembly import Site
from edge_agent.camera_runner import CameraRunner
from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.frame import Frame
from edge_agent.capture.source import SourceInfo
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import CameraConfig, DetectionConfig, SiteConfig
from edge_agent.detection.detections import Detections
from edge_agent.detection.model_card import find_card
from edge_agent.lifetime.progress import Progress
from edge_agent.pace import Pace
from edge_agent.pipeline import Observation
from edge_agent.state_file import StateFile
from edge_agent.turns import Turns
from tests.edge_agent.street_pipeline import parking_zone
from tests.edge_agent.synthetic_street import HEIGHT, WIDTH, Street, standing

STREET = Street((standing("car", 100, 110, 10, 4000),))
Script = Callable[["ScriptedSource"], Iterator[float]]
"""Gives the moments of frames, seconds; may wait, hang or raise on the way."""


class BoxModel:
    """A detector that finds the street's things at the moment that was drawn last."""

    def __init__(self) -> None:
        self.card = find_card("nanodet-g-416")
        self.inferences = 0
        self.inference_s = 0.0
        self.hangs_on: threading.Event | None = None
        self.found = STREET.detections(20.0)

    def detect(self, image: object) -> Detections:
        """The car, whatever the picture; hangs if it was told to."""
        if self.hangs_on is not None:
            self.hangs_on.wait(60)
        self.inferences += 1
        return self.found


@dataclass(slots=True)
class ScriptedSource:
    """A source that plays a script."""

    script: Script
    counts: CaptureCounts = field(default_factory=CaptureCounts)

    def probe(self) -> SourceInfo:
        """The street's size."""
        return SourceInfo(WIDTH, HEIGHT, None, 1.0, {})

    def status(self) -> CaptureStatus:
        """That of a recording."""
        return CaptureStatus(SourceKind.RECORDING)

    def frames(self) -> Iterator[Frame]:
        """The script's frames."""
        for at_s in self.script(self):
            self.counts.frames_analysed += 1
            yield STREET.frame(at_s)

    def stop(self) -> None:
        """Scripts end by themselves."""


class Scripts:
    """What each camera's source plays, by camera; a test may change it at any time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by_camera: dict[str, Script] = {}
        self.opened: dict[str, int] = {}
        monkeypatch.setattr(camera_runner, "open_source", self._open)

    def _open(self, camera: CameraConfig, *_: object, **__: object) -> ScriptedSource:
        self.opened[camera.id] = self.opened.get(camera.id, 0) + 1
        return ScriptedSource(self.by_camera[camera.id])


@dataclass(slots=True)
class Box:
    """Makes runners as an agent does, and hears what they emit."""

    folder: Path
    clock: Callable[[], float]
    model: BoxModel = field(default_factory=BoxModel)
    turns: Turns = field(default_factory=Turns)
    heard: list[tuple[str, float]] = field(default_factory=list)
    made: list[CameraRunner] = field(default_factory=list)

    def camera(self, name: str, **changes: object) -> CameraConfig:
        """A camera that watches the street's kerb."""
        camera = CameraConfig(
            id=name, source=str(self.folder / f"{name}.mp4"), zones=(parking_zone(),), detection=_WHOLE
        )
        return replace(camera, **changes)  # type: ignore[arg-type]

    def runner(self, camera: CameraConfig) -> CameraRunner:
        """A runner that has not been started."""

        def emit(runner: CameraRunner, observation: Observation) -> None:
            self.heard.append((runner.camera.id, observation.frame.media_time_s))

        runner = CameraRunner(
            camera,
            Site("agent", SiteConfig(), "c0nf1g"),
            self.model,  # type: ignore[arg-type]
            self.turns,
            self.state_file(camera.id),
            emit,
            Pace(None),
        )
        runner.progress = Progress(self.clock)
        self.made.append(runner)
        return runner

    def state_file(self, camera: str) -> StateFile:
        """Where a camera's state is."""
        return StateFile(self.folder / f"{camera}.json")

    def moments(self, camera: str) -> list[float]:
        """What was emitted of a camera."""
        return [at_s for name, at_s in self.heard if name == camera]


_WHOLE = DetectionConfig(tiles="off")
