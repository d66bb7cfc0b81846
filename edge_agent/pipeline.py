"""One camera: the way of a frame.

    camera -> capture -> camera health -> detection -> scene memory -> scenario -> incidents (+ evidence)

Each step takes the value that the one before made; only this module knows the whole row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from edge_agent.capture.frame import Frame, Image
from edge_agent.detection.detections import Detections
from edge_agent.incident_event import IncidentEvent
from edge_agent.incidents import IncidentBook
from edge_agent.ledger import Ledger
from edge_agent.scenarios.finding import Finding, FindingState
from edge_agent.scenarios.moment import Judge, Moment, Passage
from edge_agent.scene.camera_state import CameraStateChange, View
from edge_agent.scene.change_gate import Attention
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.place import Place
from edge_agent.scene.second_look import LookAt
from edge_agent.scene.stay import Box, Stay

STATE_FORMAT = 1
"""Version of what ``Pipeline.dump`` writes."""
_SAME_CLOCK_S = 0.0005
"""Below this, the stream's clock has not begun anew."""


class Looker(Protocol):
    """Says what is in a picture, and what it cost to say it."""

    @property
    def inferences(self) -> int:
        """Looks taken so far."""
        ...

    @property
    def inference_s(self) -> float:
        """Seconds they took."""
        ...

    def detect(self, image: Image, *, closely: bool = True) -> Detections:
        """Everything found, weak scores included; unless ``closely``, in the whole frame alone."""
        ...

    def look_at(self, image: Image, place: Box) -> Detections:
        """What an enlarged part of the picture around a place shows, weak scores included."""
        ...


class Gate(Protocol):
    """Says which frames the detector may leave out, and what still counts on them.

    ``looks``, ``glances`` and ``postponed`` count the frames by what they were given: everything, one look, none.
    """

    looks: int
    glances: int
    postponed: int

    def asks(self, frame: Frame, view: View, places: Sequence[Place]) -> Attention:
        """How closely the detector is to look at this frame."""
        ...

    def looked(self, found: Detections) -> None:
        """What the detector found on it."""
        ...

    def kept(self) -> Detections:
        """What the last look found that is still so, on a frame that was left out."""
        ...

    def forget(self) -> None:
        """The camera could not see."""
        ...


class Health(Protocol):
    """Says whether the camera can see."""

    def observe(self, frame: Frame) -> View:
        """The view on this frame."""
        ...

    def no_signal(self, media_time_s: float) -> View:
        """The view while nothing comes from the camera."""
        ...

    def confirm_view(self) -> bool:
        """Someone has drawn the zones on the view as it is now. True if it had moved."""
        ...

    def take_changes(self) -> tuple[CameraStateChange, ...]:
        """Changes of state since last asked."""
        ...

    def dump(self) -> dict[str, Any]:
        """What must survive a restart."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        ...


class Meter(Protocol):
    """Measures one passage."""

    def measure(
        self,
        frame: Frame,
        view: View,
        detections: Detections,
        stays: tuple[Stay, ...],
        look_at: LookAt,
    ) -> Passage:
        """What this frame says of the passage. ``look_at`` gives a second look at a place of it."""
        ...

    def dump(self) -> dict[str, Any]:
        """What must survive a restart."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        ...


class KeepingJudge(Judge, Protocol):
    """A judge whose memory survives a restart."""

    def dump(self) -> dict[str, Any]:
        """What must survive a restart."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        ...


class Illustrator(Protocol):
    """Adds pictures to events."""

    def takes(self, events: tuple[IncidentEvent, ...], findings: tuple[Finding, ...]) -> bool:
        """True if ``illustrate`` would take a picture of this frame."""
        ...

    def illustrate(
        self,
        events: tuple[IncidentEvent, ...],
        findings: tuple[Finding, ...],
        frame: Frame,
        detections: Detections,
        moment: Moment,
        view: View,
    ) -> tuple[IncidentEvent, ...]:
        """The events with references to the pictures taken so far."""
        ...

    def dump(self) -> dict[str, Any]:
        """What must survive a restart."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Everything one frame gave. ``looked`` is false if the detector left it out: nothing new had come to rest.

    ``look`` looks at the frame anew.
    """

    frame: Frame
    view: View
    changes: tuple[CameraStateChange, ...]
    detections: Detections
    stays: tuple[Stay, ...]
    passages: Mapping[str, Passage]
    findings: tuple[Finding, ...]
    events: tuple[IncidentEvent, ...]
    looked: bool = True
    look: Callable[[], Detections] | None = None

    def everybody(self) -> Detections:
        """What is in the frame, for masking people before it is shown: on a frame that was left out they may walk."""
        return self.detections if self.looked or self.look is None or not self.view.can_see else self.look()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a pipeline is made of."""

    health: Health
    looker: Looker
    memory: SceneMemory
    meters: Mapping[str, Meter]
    judges: tuple[KeepingJudge, ...]
    schedules: Mapping[str, Callable[[datetime], bool]]
    incidents: IncidentBook
    illustrator: Illustrator | None
    ledger: Ledger
    gate: Gate | None = None


class Pipeline:
    """Feed it every analysed frame of one camera, in order."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._last: Frame | None = None
        self._resumed: tuple[datetime, float] | None = None
        self._rebase_s = 0.0

    def process(self, frame: Frame) -> Observation:
        """Take one frame the whole way."""
        parts = self.parts
        frame = self._rebased(frame)
        view = parts.health.observe(frame) if frame.has_picture else parts.health.no_signal(frame.media_time_s)
        detections, attention = self._look(frame, view)
        looked = attention is Attention.CLOSE
        stays = parts.memory.observe(frame, view, detections, looked=attention is not Attention.NONE)
        passages = {
            zone: meter.measure(frame, view, detections, stays, partial(parts.looker.look_at, frame.image))
            for zone, meter in parts.meters.items()
        }
        moment = Moment(frame.media_time_s, frame.captured_at, view.can_see, stays, passages)
        findings = tuple(finding for judge in parts.judges for finding in judge.judge(moment))
        events = parts.incidents.apply(findings, moment)
        if parts.illustrator is not None:
            if not looked and view.can_see and parts.illustrator.takes(events, findings):
                detections = parts.looker.detect(frame.image)  # who is in the picture must be known to be masked
            events = parts.illustrator.illustrate(events, findings, frame, detections, moment, view)
            for event in events:
                parts.incidents.attach(event.incident_id, event.evidence)
        parts.ledger.count(
            frame.media_time_s,
            view.state,
            [zone for zone, in_force in parts.schedules.items() if in_force(frame.captured_at)],
            [finding.zone_id for finding in findings if finding.state is FindingState.VIOLATION],
        )
        self._last = frame.without_picture()
        changes = parts.health.take_changes()
        look = partial(parts.looker.detect, frame.image)
        return Observation(frame, view, changes, detections, stays, passages, findings, events, looked, look)

    def _look(self, frame: Frame, view: View) -> tuple[Detections, Attention]:
        """What is in the frame, and how closely the detector has looked."""
        gate, looker = self.parts.gate, self.parts.looker
        if not view.can_see:
            if gate is not None:
                gate.forget()
            return Detections.empty(), Attention.NONE
        if gate is None:
            return looker.detect(frame.image), Attention.CLOSE
        attention = gate.asks(frame, view, self.parts.memory.places)
        if attention is Attention.NONE:
            return gate.kept(), attention
        found = looker.detect(frame.image, closely=attention is Attention.CLOSE)
        if attention is Attention.CLOSE:
            gate.looked(found)
        return found, attention

    def _rebased(self, frame: Frame) -> Frame:
        """After a restart the stream's own clock may begin anew: it goes on where the last frame's stood, by the
        time between the two captures."""
        if self._resumed is not None:
            captured_at, media_time_s = self._resumed
            passed = (frame.captured_at - captured_at) / timedelta(seconds=1)
            self._rebase_s = media_time_s + max(passed, 0.0) - frame.media_time_s
            self._resumed = None
            if abs(self._rebase_s) < _SAME_CLOCK_S:
                self._rebase_s = 0.0
        return frame if self._rebase_s == 0.0 else replace(frame, media_time_s=frame.media_time_s + self._rebase_s)

    def dump(self) -> dict[str, Any]:
        """Everything that must survive a restart, as JSON values."""
        parts = self.parts
        last = None
        known = self._resumed
        if known is None and self._last is not None:
            known = self._last.captured_at, self._last.media_time_s
        if known is not None:
            last = {"captured_at": known[0].isoformat(), "media_time_s": known[1]}
        return {
            "format": STATE_FORMAT,
            "last": last,
            "health": parts.health.dump(),
            "memory": parts.memory.dump(),
            "meters": {zone: meter.dump() for zone, meter in parts.meters.items()},
            "judges": {judge.zone_id: judge.dump() for judge in parts.judges},
            "incidents": parts.incidents.dump(),
            "pictures": parts.illustrator.dump() if parts.illustrator is not None else {},
            "ledger": parts.ledger.dump(),
        }

    def load(self, state: dict[str, Any], drawn_anew: bool = False) -> None:
        """Go on from ``dump``: stays and incidents live on, the time between is unknown. Raises ``ValueError``.

        If the camera had moved and its zones are ``drawn_anew`` they are right in the view that it has now: what was
        known of places in the old one is not taken over, and incidents that hang on it end as superseded.
        """
        if state.get("format") != STATE_FORMAT:
            raise ValueError(f"state of format {state.get('format')!r}, this version writes {STATE_FORMAT}")
        try:
            self._load(state, drawn_anew)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"the state is damaged: {type(error).__name__}: {error}") from error

    def _load(self, state: dict[str, Any], drawn_anew: bool) -> None:
        parts = self.parts
        parts.health.load(state["health"])
        if not (drawn_anew and parts.health.confirm_view()):
            self._load_scene(state)
        parts.incidents.load(state["incidents"])
        if parts.illustrator is not None:
            parts.illustrator.load(state["pictures"])
        parts.ledger.load(state["ledger"])
        last = state["last"]
        self._resumed = last and (datetime.fromisoformat(last["captured_at"]), float(last["media_time_s"]))

    def _load_scene(self, state: dict[str, Any]) -> None:
        """What is known of places in the picture."""
        parts = self.parts
        parts.memory.load(state["memory"])
        for zone, meter in parts.meters.items():
            if zone in state["meters"]:
                meter.load(state["meters"][zone])
        for judge in parts.judges:
            if judge.zone_id in state["judges"]:
                judge.load(state["judges"][judge.zone_id])
