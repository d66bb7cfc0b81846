"""Has anything changed that is worth a look? A cheap test on a small grey picture, before the detector is asked.

Parking is about what stands, so the gate opens for what has come to rest, and for what has gone from where it stood.
What is still on its way gets a glance, at the frame as a whole, and a close look now and then. Where people's movement
itself is judged, on a passage, any change opens the gate. Whatever the test says, the detector looks closely when the
re-check is due, and when scene memory is in doubt: the gate postpones looks, it never says that something has gone.

While it is closed, what the last look found counts on where the picture is still the same there, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.frame import Frame, Grey
from edge_agent.detection.detections import Detections
from edge_agent.scene.camera_state import View
from edge_agent.scene.doubt import in_doubt
from edge_agent.scene.place import Place
from edge_agent.scene.stay import Box

WIDTH_PX = 320
"""Pixels across the small picture: a car some hundred metres away is still one block of it."""
BLOCK_PX = 8
"""Side of the blocks that are compared, in pixels of the small picture."""
AROUND_PX = 15
"""Side of the surroundings by which a pixel is made even, in pixels of the small picture: light and contrast that
change over a longer distance cancel out."""

Even = NDArray[np.float32]
Blocks = NDArray[np.bool_]
Polygon = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class GateRules:
    """The numbers by which the gate decides.

    ``recheck_s``: the longest time without a close look, seconds of media time: about the least dwell limit that makes
    sense, so that whatever the gate has overlooked is found in time. ``moving_s``: the same while something moves in a
    zone: where vehicles drive is how a lane is known. ``flat``: contrast, in grey levels,
    below which differences count for less: it keeps a sensor's noise on plain ground from looking like structure.
    ``changed``: mean difference of evened pixels from which a block has changed. Measured on frames 2 s apart, blocks
    in which nothing moves have 0.05 (median) to 0.13 (worst in a hundred, through changes of light too); a car that
    comes or goes makes 0.5 to 1. ``noise_factor``: it must also be this many times the median block's difference, so
    that a noisy night does not open the gate for ever. ``noise_most``: the median counts up to here; more is no noise.
    ``least_blocks``: blocks of a zone that must have changed. ``stale_share``: a detection whose place has changed in
    this share of its blocks since the look no longer counts. ``head_room`` and ``elbow_room``: what belongs to a zone
    above and around it, as shares of the picture's height and width: things stand up from the ground. ``shift_px``: a
    view that moved by more, in pixels of the small picture, is looked at anew.
    """

    recheck_s: float = 20.0
    moving_s: float = 4.0
    flat: float = 12.0
    changed: float = 0.25
    noise_factor: float = 2.5
    noise_most: float = 0.2
    least_blocks: int = 2
    stale_share: float = 0.3
    head_room: float = 0.08
    elbow_room: float = 0.03
    shift_px: float = 1.0


@dataclass(frozen=True, slots=True)
class GateZone:
    """``polygon`` in pixels of the frame; ``restless`` if movement alone is worth a close look."""

    polygon: Polygon
    restless: bool


class Attention(Enum):
    """How closely a frame is looked at: not at all, once as a whole, or with every window that zones have."""

    NONE = 0
    GLANCE = 1
    CLOSE = 2


class ChangeGate:
    """The gate of one camera. Ask it on every frame that can be seen, in order; tell it what each look found.

    ``glances`` is false where a glance would cost as much as a close look, since there are no windows: then what is on
    its way gets a close look now and then, and nothing between.
    """

    def __init__(
        self,
        frame_size: tuple[int, int],
        zones: Sequence[GateZone],
        rules: GateRules | None = None,
        *,
        glances: bool = True,
    ) -> None:
        self._rules = rules or GateRules()
        self._glances = glances
        width, height = frame_size
        self._scale = min(WIDTH_PX, width) / width
        columns = max(1, round(width * self._scale / BLOCK_PX))
        rows = max(1, round(height * self._scale / BLOCK_PX))
        self._shape = rows, columns
        self._block_px = width / columns, height / rows
        self._calm = self._mask([zone.polygon for zone in zones if not zone.restless], frame_size)
        self._restless = self._mask([zone.polygon for zone in zones if zone.restless], frame_size)
        self.looks = 0
        self.glances = 0
        self.postponed = 0
        self._now: Even | None = None
        self._moving: Blocks = np.zeros(self._shape, bool)
        self._before: Even | None = None
        self._settled: Even | None = None
        self._looked: Even | None = None
        self._at_s = self._looked_s = 0.0
        self._shift = self._looked_shift = (0.0, 0.0)
        self._found = Detections.empty()

    def asks(self, frame: Frame, view: View, places: Sequence[Place]) -> Attention:
        """How closely the detector is to look at this frame, given what scene memory knows."""
        attention = self._asks(frame.small, frame.media_time_s, view.shift_px, places)
        self.postponed += attention is Attention.NONE
        self.glances += attention is Attention.GLANCE
        return attention

    def _asks(self, small: Grey, at_s: float, shift_px: tuple[float, float], places: Sequence[Place]) -> Attention:
        rules = self._rules
        self._before, self._now = self._now, self._even(small)
        self._shift, self._at_s = shift_px, at_s
        before, settled, looked = self._before, self._settled, self._looked
        if before is None or settled is None or looked is None:
            self._moving = np.zeros(self._shape, bool)
            return Attention.CLOSE
        self._moving = self._differs(self._now, before)
        moved_px = max(abs(now - then) for now, then in zip(shift_px, self._looked_shift, strict=True)) * self._scale
        if at_s - self._looked_s >= rules.recheck_s - 1e-6 or moved_px > rules.shift_px:
            return Attention.CLOSE
        if any(in_doubt(place, at_s) and self._within(place) for place in places):
            return Attention.CLOSE
        if self._restless.any() and self._enough(self._differs(self._now, looked) & self._restless):
            return Attention.CLOSE
        if self._enough(self._differs(self._now, settled) & ~self._moving & self._calm):
            return Attention.CLOSE
        if not self._enough(self._moving & self._calm):
            return Attention.NONE
        if at_s - self._looked_s >= rules.moving_s - 1e-6:
            return Attention.CLOSE
        return Attention.GLANCE if self._glances else Attention.NONE

    def looked(self, found: Detections) -> None:
        """The detector has looked at the frame that was asked about last, and found this."""
        now = self._now
        if now is None:
            raise ValueError("the gate was not asked about this frame")
        self.looks += 1
        self._found, self._looked, self._looked_s, self._looked_shift = found, now, self._at_s, self._shift
        if self._settled is None:
            self._settled = now.copy()
            return
        # What moves has no settled look: the road behind it keeps its own, or a passing car would open the gate twice.
        still = cv2.resize(
            (~self._moving).astype(np.uint8), (now.shape[1], now.shape[0]), interpolation=cv2.INTER_NEAREST
        )
        np.copyto(self._settled, now, where=still > 0)

    def kept(self) -> Detections:
        """What the last look found that is still so: its place looks as it did then."""
        if self._now is None or self._looked is None or not len(self._found):
            return Detections.empty()
        changed = self._differs(self._now, self._looked)
        return self._found.keep(
            np.array([self._part(changed, box).mean() for box in self._found.boxes]) < self._rules.stale_share
        )

    def forget(self) -> None:
        """The camera could not see: whatever was known is in doubt."""
        self._now = self._before = self._settled = self._looked = None
        self._found = Detections.empty()

    def _within(self, place: Place) -> bool:
        """True if a place has to do with a zone."""
        return bool(self._part(self._calm | self._restless, place.box).any())

    def _part(self, blocks: Blocks, box: Box | NDArray[np.float32]) -> Blocks:
        across, down = self._block_px
        rows, columns = self._shape
        left, top = int(box[0] // across), int(box[1] // down)
        right, bottom = int(-(-box[2] // across)), int(-(-box[3] // down))
        left, top = min(max(left, 0), columns - 1), min(max(top, 0), rows - 1)
        return blocks[top : max(bottom, top + 1), left : max(right, left + 1)]

    def _even(self, picture: Grey) -> Even:
        """The small picture without light and contrast of its surroundings."""
        rows, columns = self._shape
        size = columns * BLOCK_PX, rows * BLOCK_PX
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        deviation = small - cv2.blur(small, (AROUND_PX, AROUND_PX))
        spread = cv2.blur(deviation * deviation, (AROUND_PX, AROUND_PX))
        local = np.sqrt(np.maximum(spread, 0))  # beside a strong edge its running sums may fall below nothing
        return np.asarray(deviation / (local + self._rules.flat), np.float32)

    def _differs(self, one: Even, other: Even) -> Blocks:
        rows, columns = self._shape
        blocks = cv2.resize(cv2.absdiff(one, other), (columns, rows), interpolation=cv2.INTER_AREA)
        noise = min(float(np.median(blocks)), self._rules.noise_most)
        return np.asarray(blocks >= max(self._rules.changed, self._rules.noise_factor * noise), bool)

    def _enough(self, changed: Blocks) -> bool:
        return int(np.count_nonzero(changed)) >= self._rules.least_blocks

    def _mask(self, polygons: Sequence[Polygon], frame_size: tuple[int, int]) -> Blocks:
        """The blocks that belong to the zones, with room above and around."""
        rows, columns = self._shape
        mask = np.zeros((rows * BLOCK_PX, columns * BLOCK_PX), np.uint8)
        scale = np.array([mask.shape[1] / frame_size[0], mask.shape[0] / frame_size[1]])
        rise = self._rules.head_room * mask.shape[0]
        for polygon in polygons:
            ground = np.asarray(polygon, np.float64) * scale
            for share in np.linspace(0.0, 1.0, 5):
                cv2.fillPoly(mask, [np.round(ground - [0.0, share * rise]).astype(np.int32)], 1)
        reach = 2 * round(self._rules.elbow_room * mask.shape[1]) + 1
        mask = np.asarray(cv2.dilate(mask, np.ones((reach, reach), np.uint8)), np.uint8)
        return np.asarray(cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA) > 0, bool)
