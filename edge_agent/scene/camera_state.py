"""Whether a camera can see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CameraState(StrEnum):
    """Whether a camera can see. Everything but ``SEEING`` means that its zones are unknown."""

    SEEING = "seeing"
    STARTING = "starting"
    DARK = "dark"
    OVER_EXPOSED = "over_exposed"
    BLURRED = "blurred"
    COVERED = "covered"
    FROZEN = "frozen"
    MOVED = "moved"
    NO_SIGNAL = "no_signal"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class View:
    """What camera health says of one frame.

    ``shift_px`` is how far the picture has moved against the reference, (right, down) in pixels of the full frame:
    a thing that stood at p stands at p + shift. (0, 0) when nothing moved or the shift is not trusted.
    """

    state: CameraState
    shift_px: tuple[float, float] = (0.0, 0.0)

    @property
    def can_see(self) -> bool:
        """True if zones can be judged on this frame."""
        return self.state is CameraState.SEEING


@dataclass(frozen=True, slots=True)
class CameraStateChange:
    """The end of one camera state and the start of another, at ``media_time_s``."""

    from_state: CameraState
    to_state: CameraState
    media_time_s: float
    shift_px: tuple[float, float] | None = None
