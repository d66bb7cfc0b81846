"""What a camera's frames gave goes to the queue: only once it is there does it count as emitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from edge_agent import wire
from edge_agent.camera_runner import CameraRunner
from edge_agent.incident_event import IncidentEvent
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.pipeline import Observation
from edge_agent.scene.camera_state import CameraStateChange


class WantsStills(Protocol):
    """Takes the stills that events name."""

    def want(self, incident_id: str, hashes: Iterable[str]) -> None:
        """That they are wanted is on disk when this returns."""
        ...


class Emission:
    """Commits to a queue, and logs what it has committed. ``stills`` is told of pictures before their events are."""

    def __init__(self, outbox: Outbox, stills: WantsStills | None, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._stills = stills
        self._clock = clock
        self._log = structlog.get_logger("agent")

    def observed(self, runner: CameraRunner, observation: Observation) -> None:
        """Commit what one frame gave."""
        camera = runner.camera.id
        if observation.changes:
            now = self._clock()
            self._outbox.append(
                [
                    wire.camera_state_event(camera, change, change_time(observation, change), now).SerializeToString()
                    for change in observation.changes
                ],
                EventKind.CAMERA_STATE,
            )
        self._commit(observation.events)
        for change in observation.changes:
            self._log.info("camera_" + change.to_state.value, camera=camera, before=change.from_state.value)
        self._say(camera, observation.events)

    def ended(self, camera: str, events: tuple[IncidentEvent, ...]) -> None:
        """Commit the last events of a camera that is no longer watched."""
        self._commit(events)
        self._say(camera, events)

    def _commit(self, events: tuple[IncidentEvent, ...]) -> None:
        if self._stills is not None:  # first: a kill in between costs nothing, and after it a picture
            for event in events:
                self._stills.want(event.incident_id, [picture.sha256 for picture in event.evidence])
        if events:
            now = self._clock()
            self._outbox.append([wire.event(event, now).SerializeToString() for event in events], EventKind.INCIDENT)

    def _say(self, camera: str, events: tuple[IncidentEvent, ...]) -> None:
        for event in events:
            self._log.info("incident_" + event.phase.value, camera=camera, **said(event))


def change_time(observation: Observation, change: CameraStateChange) -> datetime:
    """When a change of state happened, by the camera's clock."""
    back = timedelta(seconds=observation.frame.media_time_s - change.media_time_s)
    return observation.frame.captured_at - back


def said(event: IncidentEvent) -> dict[str, object]:
    """What a log line says of an incident event."""
    return {
        "incident": event.incident_id[:8],
        "zone": event.zone,
        "kind": event.kind.value,
        "what": event.class_name or event.class_group.value,
        "at_s": round(event.media_time_s, 1),
        "dwell_s": round(event.dwell.total_s, 1),
        **({"reason": event.close_reason.value} if event.close_reason else {}),
    }
