"""A pipeline of real parts that watches a drawn street; only the model and the camera's health are told what to say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edge_agent.capture.frame import Image
from edge_agent.config import ParkingZone, SiteConfig
from edge_agent.detection.detections import Detections
from edge_agent.evidence.evidence import EvidenceRecorder
from edge_agent.evidence.pictures import IncidentPictures
from edge_agent.evidence.store import EvidenceStore
from edge_agent.incident_event import IncidentEvent
from edge_agent.incidents import IncidentBook
from edge_agent.ledger import Ledger
from edge_agent.pipeline import Observation, Parts, Pipeline
from edge_agent.scenarios.parking import ParkingJudge
from edge_agent.scenarios.schedule import in_force
from edge_agent.scene.camera_state import CameraStateChange, View
from edge_agent.scene.memory import SceneMemory
from tests.edge_agent.synthetic_street import SEEING, Street

_ZONE: TypeAdapter[ParkingZone] = TypeAdapter(ParkingZone)


def parking_zone(**fields: Any) -> ParkingZone:
    """The kerb of the drawn street, from x 20 to 200."""
    polygon = [(20, 90), (200, 90), (200, 120), (20, 120)]
    plain = {"id": "kerb", "scenario": "parking", "polygon": polygon, "dwell_limit_s": {"vehicle": 30}}
    return _ZONE.validate_python(plain | fields)


@dataclass(slots=True)
class Told:
    """Health and model of one moment, as the street has them. ``looks`` counts the pictures that were looked at."""

    street: Street
    views: Callable[[float], View] = lambda _: SEEING
    at_s: float = 0.0
    looks: int = 0

    def observe(self, _: object) -> View:
        view = self.views(self.at_s)
        right, down = self.street.shift(self.at_s)
        return replace(view, shift_px=(float(right), float(down))) if view.can_see else view

    def confirm_view(self) -> bool:
        return False

    def take_changes(self) -> tuple[CameraStateChange, ...]:
        return ()

    def detect(self, _: Image, *, closely: bool = True) -> Detections:
        self.looks += 1
        return self.street.detections(self.at_s)

    def dump(self) -> dict[str, Any]:
        return {}

    def load(self, _: dict[str, Any]) -> None:
        return


@dataclass(slots=True)
class Watch:
    """One camera that is switched on and off. ``clock_s`` is what its stream's own clock is behind the street's."""

    street: Street
    zones: tuple[ParkingZone, ...] = (parking_zone(),)
    store: EvidenceStore | None = None
    views: Callable[[float], View] = lambda _: SEEING
    clock_s: float = 0.0
    observations: list[Observation] = field(default_factory=list)
    told: Told = field(init=False)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Switch the agent on with nothing remembered."""
        self.told = Told(self.street, self.views)
        memory = SceneMemory("gate", 1.0)
        schedules = {zone.id: partial(in_force, zone.schedule, SiteConfig()) for zone in self.zones}
        pictures = None
        if self.store is not None:
            polygons = {zone.id: zone.polygon for zone in self.zones}
            pictures = IncidentPictures(EvidenceRecorder("gate"), self.store, polygons, "model m  config c")
        self.pipeline = Pipeline(
            Parts(
                health=self.told,
                looker=self.told,
                memory=memory,
                meters={},
                judges=tuple(ParkingJudge(zone, schedules[zone.id]) for zone in self.zones),
                schedules=schedules,
                incidents=IncidentBook("agent", "gate", {zone.id: zone.blind_close_s for zone in self.zones}, "m", "c"),
                illustrator=pictures,
                ledger=Ledger(memory.gap_s),
            )
        )

    def restart(self) -> None:
        """Stop the agent and start it again from what it kept."""
        state = json.loads(json.dumps(self.pipeline.dump(), allow_nan=False))
        self.begin()
        self.pipeline.load(state)

    def see(self, times: Iterable[float]) -> Watch:
        """Analyse the street at these moments."""
        for at_s in times:
            self.told.at_s = at_s
            frame = self.street.frame(at_s)
            frame = replace(frame, media_time_s=at_s - self.clock_s)
            self.observations.append(self.pipeline.process(frame))
        return self

    @property
    def events(self) -> list[IncidentEvent]:
        """Everything that was said, in order."""
        return [event for seen in self.observations for event in seen.events]

    @property
    def story(self) -> list[tuple[str, str | None]]:
        """Phase and close reason of every event."""
        return [(e.phase.value, e.close_reason.value if e.close_reason else None) for e in self.events]


def written(store: Path) -> dict[str, bytes]:
    """The stills in a store by their hash, each checked against it."""
    files = {path.stem: path.read_bytes() for path in store.glob("*.jpg")}
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in files.items())
    return files


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)
