"""A drawn street: things that arrive, stand, leave and pass, and what a detector of chosen quality says of them.

Everything follows from the arguments and the moment that is asked for, never from what was asked before: the same
street looked at in other steps, or twice, is the same street.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import cv2
import numpy as np

from edge_agent.capture.frame import Frame, Image
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.stay import Box, Stay, StayState

WIDTH, HEIGHT = 320, 180
BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday."""
SEEING = View(CameraState.SEEING)
DARK = View(CameraState.DARK)
VISIBLE_SHARE = 0.6
"""Share of a thing that must not be hidden for a detector to see it."""
GROUPS = {
    "car": ClassGroup.VEHICLE,
    "van": ClassGroup.VEHICLE,
    "truck": ClassGroup.VEHICLE,
    "bus": ClassGroup.VEHICLE,
    "bicycle": ClassGroup.CYCLE,
    "person": ClassGroup.PERSON,
}


@dataclass(frozen=True, slots=True)
class Thing:
    """A textured rectangle. ``path`` is (time, left, bottom) in seconds and pixels: it is in the street from the
    first time to the last, in a straight line between two. What reaches further down is nearer to the camera."""

    name: str
    path: tuple[tuple[float, float, float], ...]
    size: tuple[int, int] = (60, 36)
    class_name: str = "car"
    seed: int = 1

    def box(self, at_s: float) -> Box | None:
        """Where it is, or None while it is not in the street."""
        times = [time for time, _, _ in self.path]
        if not times[0] <= at_s < times[-1]:
            return None
        left = float(np.interp(at_s, times, [x for _, x, _ in self.path]))
        bottom = float(np.interp(at_s, times, [y for _, _, y in self.path]))
        return left, bottom - self.size[1], left + self.size[0], bottom


def standing(name: str, x: float, y: float, from_s: float, to_s: float, **more: object) -> Thing:
    """A thing that drives in from the left, stands at (left, bottom) for these seconds, and drives out to the right.

    With ``from_s`` below zero it is there from the first frame.
    """
    path = ((from_s - 3, x - 150.0, y), (from_s, x, y), (to_s, x, y), (to_s + 3, x + 330.0, y))
    return Thing(name, path, **more)  # type: ignore[arg-type]


def passing(name: str, y: float, at_s: float, takes_s: float = 3.0, **more: object) -> Thing:
    """A thing that crosses the street from left to right without a stop."""
    return Thing(name, ((at_s, -120.0, y), (at_s + takes_s, WIDTH + 20.0, y)), **more)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Eye:
    """How well the detector sees: share of things missed in a frame, jitter of its boxes (one standard deviation),
    share of frames in which it names another class, and things it cannot see at all from some time on."""

    miss: float = 0.0
    jitter_px: float = 0.0
    swap: float = 0.0
    score: float = 0.75
    blind_to: Mapping[str, float] = field(default_factory=dict)
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Street:
    """``light`` is the brightness at a time, 1 by day; ``shift`` how far the camera has turned, whole pixels."""

    things: tuple[Thing, ...]
    eye: Eye = Eye()
    light: Callable[[float], float] = lambda _: 1.0
    shift: Callable[[float], tuple[int, int]] = lambda _: (0, 0)
    noise: float = 2.0

    def frame(self, at_s: float) -> Frame:
        """The picture at a time."""
        image = _background().copy()
        for thing, box in self._far_to_near(at_s):
            _paint(image, _skin(thing), box)
        light, noise = self.light(at_s), _noise(at_s) * self.noise
        if (light, self.noise) != (1.0, 0.0):
            image = cv2.addWeighted(image, light, cv2.merge((noise, noise, noise)), 1.0, 0.0)
        if self.shift(at_s) != (0, 0):
            right, down = self.shift(at_s)
            image = np.roll(image, (down, right), (0, 1))
        picture: Image = cv2.convertScaleAbs(np.maximum(image, 0))
        return Frame(picture, BEGAN + timedelta(seconds=at_s), at_s)

    def detections(self, at_s: float) -> Detections:
        """What the detector says at a time, best score first."""
        eye, shift = self.eye, self.shift(at_s)
        things = self._far_to_near(at_s)
        found: list[tuple[float, Box, str]] = []
        for index, (thing, box) in enumerate(things):
            rng = np.random.default_rng([eye.seed, round(at_s * 1000), _number(thing.name)])
            missed, swapped, which, score = rng.random(4)
            jitter = rng.normal(0, 1, 4) * eye.jitter_px
            hidden = _hidden_share(box, [other for _, other in things[index + 1 :]])
            in_view = _hidden_share(box, [(0.0, 0.0, WIDTH, HEIGHT)])
            unseen = at_s >= eye.blind_to.get(thing.name, float("inf"))
            if missed < eye.miss or unseen or in_view - hidden < VISIBLE_SHARE:
                continue
            name = thing.class_name
            if swapped < eye.swap:
                others = [other for other, group in GROUPS.items() if other != name and group is GROUPS[name]]
                name = others[int(which * len(others))]
            place = np.array(box) + jitter + np.array([*shift, *shift])
            found.append((eye.score * (0.9 + 0.2 * score), (*map(float, place),), name))  # type: ignore[arg-type]
        found.sort(key=lambda item: -item[0])
        if not found:
            return Detections.empty()
        return Detections(
            np.array([box for _, box, _ in found], np.float32),
            np.array([score for score, _, _ in found], np.float32),
            tuple(name for _, _, name in found),
            tuple(GROUPS[name] for _, _, name in found),
        )

    def seen_by(self, **quality: object) -> Street:
        """The same street with another detector."""
        return replace(self, eye=replace(self.eye, **quality))  # type: ignore[arg-type]

    def _far_to_near(self, at_s: float) -> list[tuple[Thing, Box]]:
        placed = [(thing, box) for thing in self.things if (box := thing.box(at_s)) is not None]
        return sorted(placed, key=lambda item: (item[1][3], item[0].name))


@dataclass(frozen=True, slots=True)
class Watched:
    """What a scene memory said, frame by frame."""

    memory: SceneMemory
    moments: tuple[tuple[float, tuple[Stay, ...]], ...]

    def stays(self) -> list[Stay]:
        """The last snapshot of everything that ever stood, in the order in which it came to rest."""
        last = {stay.stay_id: stay for _, stays in self.moments for stay in stays if stay.standing}
        return sorted(last.values(), key=lambda stay: (stay.from_s, stay.box))

    def of(self, stay_id: str) -> list[tuple[float, Stay]]:
        """One stay, frame by frame, from when it stood."""
        return [(at, stay) for at, stays in self.moments for stay in stays if stay.standing and stay.stay_id == stay_id]

    def ended_at(self, stay_id: str) -> float | None:
        """The time of the frame that said it was gone."""
        return next((at for at, stay in self.of(stay_id) if stay.state is StayState.ABSENT), None)

    def at(self, at_s: float) -> tuple[Stay, ...]:
        """What stood after the frame at a time."""
        return tuple(stay for time, stays in self.moments if time == at_s for stay in stays if stay.standing)


def steps(first_s: float, last_s: float, period_s: float = 1.0) -> list[float]:
    """Moments ``period_s`` apart."""
    return [first_s + index * period_s for index in range(int((last_s - first_s) / period_s + 1e-9) + 1)]


def watch(
    street: Street,
    times: Iterable[float],
    *,
    period_s: float = 1.0,
    view: Callable[[float], View] = lambda _: SEEING,
    memory: SceneMemory | None = None,
) -> Watched:
    """Let a scene memory, a new one unless given, see the street at these moments."""
    memory = memory or SceneMemory("gate", period_s)
    moments = []
    for at_s in times:
        seen = view(at_s)
        right, down = street.shift(at_s)
        if seen.can_see:
            seen = replace(seen, shift_px=(float(right), float(down)))
        detections = street.detections(at_s) if seen.can_see else Detections.empty()
        moments.append((at_s, memory.observe(street.frame(at_s), seen, detections)))
    return Watched(memory, tuple(moments))


@cache
def _background() -> np.ndarray:
    coarse = np.random.default_rng(2).integers(70, 130, (HEIGHT // 4, WIDTH // 4, 3), np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)


@cache
def _grain() -> np.ndarray:
    return np.random.default_rng(11).normal(0, 1, (2 * HEIGHT, 2 * WIDTH)).astype(np.float32)


def _noise(at_s: float) -> np.ndarray:
    """A cut of the grain that is another one at each moment."""
    number = round(at_s * 1000)
    top, left = number // 500 * 67 % HEIGHT, number // 500 * 131 % (WIDTH - 25) + number % 500 // 20
    return _grain()[top : top + HEIGHT, left : left + WIDTH]


@cache
def _skin(thing: Thing) -> Image:
    """Panels of a tone each, as on a car: coarse enough to survive being looked at from afar."""
    width, height = thing.size
    rng = np.random.default_rng([5, thing.seed])
    coarse = rng.integers(20, 200, (max(height // 9, 2), max(width // 9, 2), 1), np.uint8).repeat(3, axis=2)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _paint(image: np.ndarray, skin: Image, box: Box) -> None:
    left, top = round(box[0]), round(box[1])
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + skin.shape[1], WIDTH), min(top + skin.shape[0], HEIGHT)
    if x2 > x1 and y2 > y1:
        image[y1:y2, x1:x2] = skin[y1 - top : y2 - top, x1 - left : x2 - left]


def _hidden_share(box: Box, others: list[Box]) -> float:
    steps = (np.arange(20) + 0.5) / 20
    x, y = box[0] + steps * (box[2] - box[0]), box[1] + steps * (box[3] - box[1])
    hidden = np.zeros((20, 20), bool)
    for x1, y1, x2, y2 in others:
        hidden |= ((x >= x1) & (x <= x2))[None, :] & ((y >= y1) & (y <= y2))[:, None]
    return float(hidden.mean())


def _number(name: str) -> int:
    return sum((index + 1) * ord(letter) for index, letter in enumerate(name))
