"""Clips of the passage suite, and what becomes of them mirrored, backwards and in another light."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np

from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.frame import Frame
from edge_agent.capture.open_source import open_recording
from edge_agent.capture.source import SourceInfo
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import CameraConfig, PassageZone
from edge_agent.evaluation.agent_player import AgentPlayer
from edge_agent.evaluation.alarm import gather
from edge_agent.evaluation.clip_run import record
from edge_agent.evaluation.commands import DEFAULT_MODEL
from edge_agent.evaluation.evaluate import Judged, judge_run
from edge_agent.evaluation.suite import Clip, Suite, load_suite
from edge_agent.evaluation.truth import Truth
from edge_agent.pipeline import Observation

PLAYER = AgentPlayer(DEFAULT_MODEL, threads=1)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Frames that are held in memory, as a source."""

    shown: tuple[Frame, ...]
    info: SourceInfo
    counts: CaptureCounts = field(default_factory=CaptureCounts)

    def status(self) -> CaptureStatus:
        """A recording is always there."""
        return CaptureStatus(SourceKind.RECORDING)

    def probe(self) -> SourceInfo:
        """What the recording said of itself."""
        return self.info

    def frames(self) -> Iterator[Frame]:
        """Each once."""
        yield from self.shown


@cache
def passage_suite(root: Path) -> Suite:
    """The suite of passages."""
    return load_suite(root / "tests/suites/passage.yaml")


def clip_of(root: Path, name: str) -> Clip:
    """One of its clips, which must be here."""
    (clip,) = passage_suite(root).choose((name,))
    assert clip.missing is None, clip.missing
    return clip


@cache
def source_of(root: Path, name: str) -> Shown:
    """A clip's frames, one a second."""
    clip = clip_of(root, name)
    source = open_recording(clip.camera, passage_suite(root).site.time_zone)
    return Shown(tuple(source.frames()), source.probe())


def mirrored(camera: CameraConfig, source: Shown) -> tuple[CameraConfig, Shown]:
    """The same seen in a mirror. The ground keeps its right hand: y is turned too."""
    width = source.info.width

    def turned(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        return tuple((width - x, y) for x, y in points)

    zones = []
    for zone in camera.zones:
        assert isinstance(zone, PassageZone)
        assert zone.calibration is not None
        pairs = tuple(
            replace(pair, px=turned([pair.px])[0], m=(pair.m[0], -pair.m[1])) for pair in zone.calibration.points
        )
        ends = (turned(zone.ends[0]), turned(zone.ends[1]))
        calibration = replace(zone.calibration, points=pairs)
        zones.append(replace(zone, polygon=turned(zone.polygon), ends=ends, calibration=calibration))  # type: ignore[arg-type]
    frames = tuple(replace(frame, image=np.ascontiguousarray(frame.image[:, ::-1])) for frame in source.shown)
    return replace(camera, zones=tuple(zones)), Shown(frames, source.info)


def backwards(source: Shown) -> Shown:
    """The same from its end to its beginning."""
    end_s = source.shown[-1].media_time_s
    return Shown(tuple(_moved(frame, end_s - frame.media_time_s) for frame in reversed(source.shown)), source.info)


def there_and_back(source: Shown) -> Shown:
    """The same forwards, then backwards from its end."""
    end_s = source.shown[-1].media_time_s
    back = tuple(_moved(frame, 2 * end_s - frame.media_time_s) for frame in reversed(source.shown[:-1]))
    return Shown((*source.shown, *back), source.info)


def in_light(source: Shown, light: Callable[[float], float]) -> Shown:
    """The same with brightness multiplied by ``light`` of the media time."""
    frames = []
    for frame in source.shown:
        image = np.clip(frame.image * np.float32(light(frame.media_time_s)), 0, 255).astype(np.uint8)
        frames.append(replace(frame, image=image))
    return Shown(tuple(frames), source.info)


def played(root: Path, camera: CameraConfig, source: Shown) -> list[Observation]:
    """What the agent saw in each frame, with the bundled detector."""
    return list(PLAYER(camera, passage_suite(root).site, source))


def judged(root: Path, camera: CameraConfig, truth: Truth, seen: list[Observation]) -> Judged:
    """What was seen, scored."""
    run = record(seen, camera.period_s)
    return judge_run(camera, passage_suite(root).site, truth, run, gather(run.events))


def _moved(frame: Frame, at_s: float) -> Frame:
    later = timedelta(seconds=at_s - frame.media_time_s)
    return replace(frame, media_time_s=at_s, captured_at=frame.captured_at + later)
