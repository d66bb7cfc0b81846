"""Seconds of media time: what a camera saw, and what its zones could judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edge_agent.scene.camera_state import CameraState


@dataclass(slots=True)
class ZoneSeconds:
    """Of one zone: seconds with its schedule in force, of those judged, of those with a violation."""

    enforced_s: float = 0.0
    judged_s: float = 0.0
    violation_s: float = 0.0


@dataclass(slots=True)
class Ledger:
    """Sums of one camera since the agent's state began. A gap between frames is time without a signal."""

    gap_s: float
    state_s: Counter[CameraState] = field(default_factory=Counter)
    zones: dict[str, ZoneSeconds] = field(default_factory=dict)
    _last_s: float | None = None
    _last_state: CameraState = CameraState.STARTING

    def count(self, media_time_s: float, state: CameraState, enforced: Iterable[str], violated: Iterable[str]) -> None:
        """Book the time since the frame before. A stretch is judged only if the camera saw at both its ends."""
        elapsed_s = 0.0 if self._last_s is None else max(media_time_s - self._last_s, 0.0)
        gap = elapsed_s > self.gap_s
        seeing = CameraState.SEEING
        passed = CameraState.NO_SIGNAL if gap else (self._last_state if state is seeing else state)
        if self._last_s is not None:
            self.state_s[passed] += elapsed_s  # type: ignore[assignment]
        judged = passed is seeing
        bad = set(violated)
        for zone in enforced:
            sums = self.zones.setdefault(zone, ZoneSeconds())
            sums.enforced_s += elapsed_s
            if judged:
                sums.judged_s += elapsed_s
                sums.violation_s += elapsed_s if zone in bad else 0.0
        self._last_s, self._last_state = media_time_s, state

    def dump(self) -> dict[str, Any]:
        """What must survive a restart."""
        return {
            "state_s": {state.value: seconds for state, seconds in self.state_s.items()},
            "zones": {name: [z.enforced_s, z.judged_s, z.violation_s] for name, z in self.zones.items()},
            "last_s": self._last_s,
            "last_state": self._last_state.value,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        self.state_s = Counter({CameraState(name): seconds for name, seconds in state["state_s"].items()})
        self.zones = {name: ZoneSeconds(*sums) for name, sums in state["zones"].items()}
        self._last_s, self._last_state = state["last_s"], CameraState(state["last_state"])
