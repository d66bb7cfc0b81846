"""Whether a camera can see."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from edge_agent.capture.frame import Frame, Grey
from edge_agent.scene.camera_state import CameraState, CameraStateChange, View
from edge_agent.scene.health_rules import HealthRules
from edge_agent.scene.look import WIDTH, Look, likeness, look_at
from edge_agent.scene.view_shift import Match, Reference


class CameraHealth:
    """Judges every frame of one camera, in order of media time.

    A fault makes ``View.state`` differ from ``SEEING`` at once, so that nothing is judged on a doubtful frame; it is
    stated as a change only when it has lasted, and ends only when it has been over for a while. The span between the
    two changes is the span in which frames were not trusted.
    """

    def __init__(self, rules: HealthRules | None = None) -> None:
        self._rules = rules or HealthRules()
        self._state = CameraState.STARTING
        self._suspected: CameraState | None = None
        self._since_s = 0.0
        self._changes: list[CameraStateChange] = []
        self._reference: Reference | None = None
        self._last_grey: Grey | None = None
        self._last_s: float | None = None
        self._lost = False
        self._same_from_s = 0.0
        self._same_pairs = 0
        self._repeats: deque[int] = deque(maxlen=self._rules.recent_pairs)

    @property
    def state(self) -> CameraState:
        """The state that was last stated."""
        return self._state

    def observe(self, frame: Frame) -> View:
        """What can be seen on this frame."""
        now_s = frame.media_time_s
        look = look_at(frame, self._rules.clipped_from)
        if self._reference is not None and not self._reference.fits(look):
            self._reference = None
        match = self._reference.match(look) if self._reference is not None else None
        frozen = self._is_frozen(frame)
        fault = self._fault(look, match, frozen)
        shift_px = self._shift_px(match, frame.width)
        state = self._settle(fault, now_s, shift_px)
        if fault is CameraState.SEEING and not self._same_pairs:
            self._learn(look, match, now_s)
        self._last_s = now_s
        return View(state, shift_px if state is CameraState.SEEING else (0.0, 0.0))

    def no_signal(self, media_time_s: float) -> View:
        """Nothing came from the camera. Stated at once: whoever calls has waited already."""
        self._suspected = None
        if self._state is not CameraState.NO_SIGNAL:
            self._change(CameraState.NO_SIGNAL, media_time_s)
        self._last_grey = None
        return View(CameraState.NO_SIGNAL)

    def confirm_view(self) -> bool:
        """Someone has drawn the zones on the view as it is now. True if it had moved.

        Then the next frame that can be seen is the new reference.
        """
        if self._state is not CameraState.MOVED:
            return False
        self._reference = None
        self._lost = False
        return True

    def take_changes(self) -> tuple[CameraStateChange, ...]:
        """Changes of state since last asked."""
        changes, self._changes = tuple(self._changes), []
        return changes

    def dump(self) -> dict[str, Any]:
        """What must survive a restart, as JSON values."""
        return {
            "state": self._state.value,
            "lost": self._lost,
            "repeats": list(self._repeats),
            "last_s": self._last_s,
            "reference": self._reference.dump() if self._reference is not None else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``. Raises ``ValueError`` if it is damaged."""
        try:
            self._state = CameraState(state["state"])
            self._lost = bool(state["lost"])
            repeats = [int(run) for run in state["repeats"]]
            last_s = state["last_s"]
            self._last_s = None if last_s is None else float(last_s)
            reference = state["reference"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the camera's health state is damaged: {error!r}") from error
        self._repeats.extend(repeats)
        self._reference = None if reference is None else Reference.load(self._rules, reference)

    def _fault(self, look: Look, match: Match | None, frozen: bool) -> CameraState:
        """What is wrong with the picture, ``SEEING`` if nothing is."""
        rules, reference = self._rules, self._reference
        if look.bright < rules.dark_below * self._stickiness(CameraState.DARK):
            return CameraState.DARK
        if look.clipped >= rules.over_exposed_share / self._stickiness(CameraState.OVER_EXPOSED):
            return CameraState.OVER_EXPOSED
        if reference is None or match is None:
            if float(look.contrast.mean()) < rules.flat_contrast:
                return CameraState.COVERED
            return CameraState.BLURRED if look.sharpness < rules.sharpness_least else CameraState.SEEING
        self._lost = match.agreement < (rules.found_agreement if self._lost else rules.lost_agreement)
        covered_share = rules.covered_share / self._stickiness(CameraState.COVERED)
        light = min(1.0, look.mean / max(reference.mean, 1.0))
        if reference.flat_share(look, 1.0 if self._lost else light) >= covered_share:
            same = likeness(look.scene, reference.scene) >= rules.same_scene
            return CameraState.BLURRED if same else CameraState.COVERED
        if look.sharpness < rules.sharpness_lost * self._stickiness(CameraState.BLURRED) * reference.sharpness:
            return CameraState.BLURRED
        if frozen:
            return CameraState.FROZEN
        largest = rules.largest_shift * WIDTH
        if self._lost or max(abs(match.shift[0]), abs(match.shift[1])) > largest:
            return CameraState.MOVED
        return CameraState.SEEING

    def _stickiness(self, state: CameraState) -> float:
        """By how much a threshold moves against leaving a state that is stated or suspected."""
        return self._rules.stickiness if state in (self._state, self._suspected) else 1.0

    def _is_frozen(self, frame: Frame) -> bool:
        """True if the picture has been the very same for longer than this camera's pictures ever are."""
        rules, last = self._rules, self._last_grey
        same = last is not None and _same_picture(last, frame.grey)
        if same:
            if not self._same_pairs and self._last_s is not None:
                self._same_from_s = self._last_s
            self._same_pairs += 1
        elif last is not None:
            if self._state is not CameraState.FROZEN:
                self._repeats.extend(range(1, self._same_pairs + 1))
            self._repeats.append(0)
            self._same_pairs = 0
        self._last_grey = frame.grey
        lively = len(self._repeats) >= rules.least_pairs and max(self._repeats) <= rules.repeats_allowed
        hold_s = rules.frozen_hold_s if lively else rules.quiet_hold_s
        return self._same_pairs >= rules.frozen_pairs and frame.media_time_s - self._same_from_s >= hold_s

    def _shift_px(self, match: Match | None, width: int) -> tuple[float, float]:
        if match is None or max(abs(match.shift[0]), abs(match.shift[1])) < self._rules.least_shift * WIDTH:
            return (0.0, 0.0)
        return (match.shift[0] * width / WIDTH, match.shift[1] * width / WIDTH)

    def _settle(self, fault: CameraState, now_s: float, shift_px: tuple[float, float]) -> CameraState:
        """The state to trust, given what this frame says; states a change once it has lasted."""
        rules = self._rules
        if fault is self._state:
            self._suspected = None
            return fault
        if fault is not self._suspected:
            self._suspected, self._since_s = fault, now_s
        lasted_s = now_s - self._since_s
        if fault is CameraState.SEEING:
            if self._state in _NO_PICTURE or lasted_s >= rules.end_hold_s:
                self._change(fault, now_s)
                return fault
            return self._state
        if lasted_s >= (0.0 if fault is CameraState.FROZEN else rules.start_hold_s):
            self._change(fault, self._since_s, shift_px if fault is CameraState.MOVED and any(shift_px) else None)
        return fault

    def _change(self, to_state: CameraState, media_time_s: float, shift_px: tuple[float, float] | None = None) -> None:
        self._changes.append(CameraStateChange(self._state, to_state, media_time_s, shift_px))
        self._state = to_state
        self._suspected = None

    def _learn(self, look: Look, match: Match | None, now_s: float) -> None:
        if self._reference is None or match is None:
            self._reference = Reference(self._rules, look)
        elif match.agreement >= self._rules.found_agreement:
            self._reference.learn(look, match.shift, now_s - self._last_s if self._last_s is not None else 0.0)


_NO_PICTURE = (CameraState.STARTING, CameraState.NO_SIGNAL, CameraState.ENDED)


def _same_picture(one: Grey, other: Grey) -> bool:
    if one.shape != other.shape or not np.array_equal(one[::16], other[::16]):  # most pictures differ in any few rows
        return False
    return np.array_equal(one, other)
