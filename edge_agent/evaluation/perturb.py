"""What a camera and a detector go through on a bad day, done to a recording. The same in every run: seeds are fixed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.frame import Frame, Image
from edge_agent.capture.source import Source, SourceInfo
from edge_agent.detection.detections import Detections
from edge_agent.pipeline import Looker, Pipeline
from edge_agent.scene.stay import Box

_SEED = 20260512

Random = np.random.Generator
Change = Callable[[Frame, float, Random], Image]
"""A new picture for a frame, given how long the recording is (s) and randomness of this frame's own."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One way to make a recording harder. Where a field is None, that part stays as it was.

    ``restart_at`` is the share of the recording after which the agent is stopped and started again.
    ``keep_detections`` is the share of detections that remain. ``moved`` says by how many pixels (right, down) the
    picture of this size lies off the original at a share of the recording, so that boxes can be laid back.
    """

    what: str
    change: Change | None = None
    keep_detections: float | None = None
    period_s: float | None = None
    restart_at: float | None = None
    moved: Callable[[float, int], tuple[float, float]] | None = None


def frame_random(media_time_s: float) -> Random:
    """Randomness that belongs to a moment, so that it does not depend on what was sampled before."""
    return np.random.default_rng((_SEED, round(media_time_s * 1000)))


class ThinnedLooker:
    """A looker that loses detections: each is kept with a probability of ``keep``, drawn from the picture itself."""

    def __init__(self, looker: Looker, keep: float) -> None:
        self._looker = looker
        self._keep = keep

    @property
    def inferences(self) -> int:
        """Looks taken."""
        return self._looker.inferences

    @property
    def inference_s(self) -> float:
        """Seconds they took."""
        return self._looker.inference_s

    def detect(self, image: Image, *, closely: bool = True) -> Detections:
        """What the looker finds, less what is lost."""
        return self._thinned(self._looker.detect(image, closely=closely), image)

    def look_at(self, image: Image, place: Box) -> Detections:
        """What the looker finds at a place, less what is lost."""
        return self._thinned(self._looker.look_at(image, place), image, zlib.crc32(np.array(place).tobytes()))

    def _thinned(self, found: Detections, image: Image, *salt: int) -> Detections:
        random = np.random.default_rng((_SEED, zlib.crc32(image.tobytes()), *salt))
        return found.keep(random.random(len(found)) < self._keep)


def thinned(pipeline: Pipeline, keep: float) -> Pipeline:
    """A pipeline whose looker loses detections."""
    return Pipeline(replace(pipeline.parts, looker=ThinnedLooker(pipeline.parts.looker, keep)))


class PerturbedSource:
    """A source whose pictures are changed; times, sizes and counts stay those of the source."""

    def __init__(self, source: Source, change: Change) -> None:
        self.counts: CaptureCounts = source.counts
        self._source = source
        self._change = change

    def status(self) -> CaptureStatus:
        """How the source is doing."""
        return self._source.status()

    def probe(self) -> SourceInfo:
        """What the source is. Raises ``SourceError``."""
        return self._source.probe()

    def frames(self) -> Iterator[Frame]:
        """The source's frames with changed pictures. Raises ``SourceError``."""
        duration_s = self.probe().duration_s or 0.0
        for frame in self._source.frames():
            self.counts = self._source.counts
            image = self._change(frame, duration_s, frame_random(frame.media_time_s))
            yield replace(frame, image=image)


def lay_back(box: Box, perturbation: Perturbation, share: float, width: int) -> Box:
    """A box of the perturbed picture in pixels of the original one."""
    if perturbation.moved is None:
        return box
    right, down = perturbation.moved(share, width)
    return (box[0] - right, box[1] - down, box[2] - right, box[3] - down)


def _brightness(factor: float) -> Change:
    def change(frame: Frame, duration_s: float, random: Random) -> Image:
        return _scaled(frame.image, factor)

    return change


_SWING_S = 10.0
"""Long enough for an appearance to be learnt in one light before the next comes."""


def _swinging(frame: Frame, duration_s: float, random: Random) -> Image:
    return _scaled(frame.image, (0.6, 1.0, 1.4)[int(frame.media_time_s / _SWING_S) % 3])


def _scaled(image: Image, factor: float) -> Image:
    return np.asarray(cv2.convertScaleAbs(image, alpha=factor), np.uint8)


def _jpeg(frame: Frame, duration_s: float, random: Random) -> Image:
    _, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, 20])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


_JITTER_PX = 8


def _jitter(frame: Frame, duration_s: float, random: Random) -> Image:
    right, down = random.integers(-_JITTER_PX, _JITTER_PX + 1, 2)
    return _translated(frame.image, float(right), float(down))


_BLACKOUT_S = 30.0


def _blackout(frame: Frame, duration_s: float, random: Random) -> Image:
    length_s = min(_BLACKOUT_S, duration_s / 3)
    if abs(frame.media_time_s - duration_s / 2) > length_s / 2:
        return frame.image
    noise = random.integers(0, 4, frame.image.shape, dtype=np.uint8)  # a covered sensor is never quite black
    return np.asarray(noise, np.uint8)


_SHIFT = 0.04
"""Of the picture's width: what a knock against the pole does."""


def _knocked(share: float, width: int) -> tuple[float, float]:
    return (round(_SHIFT * width), 0.0) if share >= 0.5 else (0.0, 0.0)


def _shift(frame: Frame, duration_s: float, random: Random) -> Image:
    share = frame.media_time_s / duration_s if duration_s else 0.0
    right, down = _knocked(share, frame.width)
    return _translated(frame.image, right, down) if right or down else frame.image


def _translated(image: Image, right: float, down: float) -> Image:
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


_SWAYS = ((2.1, 1.7, 0.6), (1.2, 0.45, 0.25))
"""How a pole sways in the wind: pixels to the right, period in seconds, pixels down; slowly, and quicker."""
_SWAY_NOISE_PX = 0.4
_ROLL = 0.002
"""Radians, with the slow sway."""


def _shake(frame: Frame, duration_s: float, random: Random) -> Image:
    right, down = (float(px) for px in random.normal(0, _SWAY_NOISE_PX, 2))
    for number, (across_px, period_s, down_px) in enumerate(_SWAYS):
        phase = 2 * np.pi * frame.media_time_s / period_s + number
        right += across_px * np.sin(phase)
        down += down_px * np.sin(2 * phase)
    turn = _ROLL * np.sin(2 * np.pi * frame.media_time_s / _SWAYS[0][1])
    matrix = cv2.getRotationMatrix2D((frame.width / 2, frame.height / 2), float(np.degrees(turn)), 1.0)
    matrix[:, 2] += right, down
    return np.asarray(
        cv2.warpAffine(frame.image, matrix, (frame.width, frame.height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


_NOISE_LEVELS = 10.0
"""One standard deviation of a small sensor's noise by night, in grey levels."""


def _noise(frame: Frame, duration_s: float, random: Random) -> Image:
    noise = random.standard_normal(frame.image.shape, np.float32) * np.float32(_NOISE_LEVELS)
    return np.asarray(np.clip(np.round(frame.image + noise), 0, 255), np.uint8)


def _middle_third(media_time_s: float, duration_s: float) -> tuple[bool, float]:
    """Whether it is the middle third of a recording, and how long since that changed (s)."""
    from_s, to_s = duration_s / 3, 2 * duration_s / 3
    if media_time_s < from_s:
        return False, np.inf
    return (True, media_time_s - from_s) if media_time_s < to_s else (False, media_time_s - to_s)


def _pool(frame: Frame) -> NDArray[np.float32]:
    """(height, width, 1) 0-1: the light of one lamp that hangs left of the middle."""
    y, x = np.mgrid[0 : frame.height, 0 : frame.width].astype(np.float32)
    off = ((x / frame.width - 0.42) / 0.16) ** 2 + ((y / frame.height - 0.5) / 0.22) ** 2
    return np.asarray(np.exp(-off / 2)[:, :, None], np.float32)


_LAMPS_OFF = 0.45
"""Light that is left when the lamps go off,"""
_LAMP_LEFT = 0.5
"""but for one that adds so much in its pool."""
_EXPOSURE = 1.6
"""By how much the camera then exposes more, and less again when they come on,"""
_EXPOSURE_S = 0.8
"""with this time constant."""


def _light_switched(frame: Frame, duration_s: float, random: Random) -> Image:
    off, since_s = _middle_third(frame.media_time_s, duration_s)
    if not off and since_s > 10 * _EXPOSURE_S:
        return frame.image
    follows = float(np.exp(-since_s / _EXPOSURE_S))
    exposure = _EXPOSURE ** (1 - follows if off else follows)
    light = _LAMPS_OFF + _LAMP_LEFT * _pool(frame) if off else np.float32(1)
    return np.asarray(np.clip(frame.image * (light * np.float32(exposure)), 0, 255), np.uint8)


_INFRARED_LIGHT = 0.6
_INFRARED_BEAM = 0.5
"""Light of a camera's own lamps: everywhere, and in the middle of their beam besides."""
_INFRARED_NOISE = 4.0


def _night_mode(frame: Frame, duration_s: float, random: Random) -> Image:
    night, _ = _middle_third(frame.media_time_s, duration_s)
    if not night:
        return frame.image
    lit = frame.grey[:, :, None] * (_INFRARED_LIGHT + _INFRARED_BEAM * _pool(frame))
    lit += random.standard_normal(lit.shape, np.float32) * np.float32(_INFRARED_NOISE)
    return np.repeat(np.clip(np.round(lit), 0, 255).astype(np.uint8), 3, axis=2)


PERTURBATIONS: dict[str, Perturbation] = {
    "half-recall": Perturbation("every second detection is lost at random", keep_detections=0.5),
    "darker": Perturbation("40 % less light", change=_brightness(0.6)),
    "brighter": Perturbation("40 % more light, clipped", change=_brightness(1.4)),
    "swinging-light": Perturbation("40 % less, as it was, 40 % more, changing every 10 s", change=_swinging),
    "jpeg-20": Perturbation("JPEG of quality 20", change=_jpeg),
    "jitter": Perturbation("every picture up to 8 px off", change=_jitter),
    "shake": Perturbation("a pole in the wind: up to 4 px, with a little roll", change=_shake),
    "noise": Perturbation("a sensor's noise of 10 grey levels", change=_noise),
    "light-switched": Perturbation("lamps off but for one in the middle third", change=_light_switched),
    "night-mode": Perturbation("grey, by the camera's own lamp, in the middle third", change=_night_mode),
    "blackout": Perturbation("black for 30 s in the middle, or a third of a shorter recording", change=_blackout),
    "knock": Perturbation("from the middle on, 4 % of the width to the right", change=_shift, moved=_knocked),
    "quarter-second": Perturbation("a frame every 0.25 s", period_s=0.25),
    "two-seconds": Perturbation("a frame every 2 s", period_s=2.0),
    "restart": Perturbation("the agent is stopped in the middle and started again", restart_at=0.5),
}
