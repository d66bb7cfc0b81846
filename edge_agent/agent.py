"""Many cameras, one queue, one connection: what runs on a box."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import structlog
from clearway.v1 import ingest_pb2

from edge_agent import __version__, wire
from edge_agent.assembly import Site, load_detectors
from edge_agent.camera_runner import CameraRunner, Pace, change_time, said
from edge_agent.certificate_keeper import keeper_for
from edge_agent.config import AgentConfig
from edge_agent.detection.detector import Detector
from edge_agent.evidence_store import EvidenceStore
from edge_agent.evidence_upload import EvidenceUpload
from edge_agent.metrics import MetricsServer
from edge_agent.outbox import EventKind, Outbox
from edge_agent.pipeline import Observation
from edge_agent.state_file import StateFile
from edge_agent.status import AgentSnapshot, BuildInfo
from edge_agent.uplink import Uplink, versions

FLUSH_S = 10.0
"""Longest that a stopping agent waits for the aggregator to take what is queued; the rest waits on the disk."""
EVIDENCE_FLUSH_S = 5.0
"""Longest that a stopping agent goes on with stills once the events are through; the rest waits on the disk."""
STOP_S = 15.0
"""Longest that a stopping agent waits for a camera to finish its frame."""


class Agent:
    """Runs the cameras of a configuration until they end or it is told to stop.

    ``speed`` is how many times faster than real time recordings play; None lets them run as fast as they can.
    ``fresh`` forgets what earlier runs knew of the cameras. A source that fails is opened again and again if
    ``patient``, else its camera has failed. Raises ``ModelError``, ``OutboxError``,
    ``MetricsError`` and ``UplinkError``.
    """

    def __init__(
        self, config: AgentConfig, *, speed: float | None = 1.0, fresh: bool = False, patient: bool = True
    ) -> None:
        self._config = config
        self._log = structlog.get_logger("agent")
        self._state_dir = Path(config.state_dir)
        self._detecting = threading.Lock()
        detectors = load_detectors(config.cameras, config.model, config.models_dir, config.threads)
        self._build = BuildInfo(__version__, _models(detectors), config.version)
        self._outbox = Outbox(self._state_dir, config.queue.max_bytes, config.queue.when_full)
        self._evidence = (
            EvidenceStore(self._state_dir / "evidence", config.evidence.max_bytes) if config.evidence.enabled else None
        )
        site = Site.of(config, self._evidence)
        self.runners = tuple(
            CameraRunner(
                camera,
                site,
                detectors[camera.id],
                self._detecting,
                StateFile(self._state_dir / "cameras" / f"{camera.id}.json"),
                self._emit,
                Pace(speed),
                patient=patient,
            )
            for camera in config.cameras
        )
        if fresh:
            for runner in self.runners:
                runner.forget()
        self._certificate = keeper_for(config, self._certificate_changed)
        self.uplink = None if config.aggregator is None else self._make_uplink(config)
        self._evidence_upload = self._make_evidence_upload(config)
        self._metrics: MetricsServer | None = None

    def start(self) -> None:
        """Begin. Raises ``MetricsError`` if the metrics address cannot be used, before anything else has begun."""
        self._metrics = MetricsServer(
            self._config.metrics.listen, self.snapshot, per_camera=self._config.metrics.per_camera
        )
        self._log.info(
            "agent_started",
            agent=self._config.id,
            version=__version__,
            model=self._build.model,
            metrics_port=self._metrics.port,
            aggregator=self._config.aggregator.address if self._config.aggregator else None,
        )
        if self._certificate is not None:
            self._certificate.start()
        if self.uplink is not None:
            self.uplink.start()
        if self._evidence_upload is not None:
            self._evidence_upload.start()
        for runner in self.runners:
            runner.start()

    def wait(self, stop: threading.Event, *, until_end: bool) -> None:
        """Return when told to stop or, with ``until_end``, when every recording has ended."""
        while not stop.wait(0.2):
            if until_end and all(runner.ended.is_set() for runner in self.runners):
                return

    def stop(self) -> None:
        """Finish the frames at work, keep the state, let the queue drain for a while."""
        for runner in self.runners:
            runner.stop()
        give_up = time.monotonic() + STOP_S
        for runner in self.runners:
            runner.thread.join(max(give_up - time.monotonic(), 0.0))
        if self._certificate is not None:
            self._certificate.stop()
        if self.uplink is not None:
            self.uplink.stop(FLUSH_S)
        if self._evidence_upload is not None:
            self._evidence_upload.stop(EVIDENCE_FLUSH_S)
        if self._metrics is not None:
            self._metrics.close()
        status = self._outbox.status()
        self._outbox.close()
        self._log.info("agent_stopped", queued_events=status.pending_events)

    @property
    def failed(self) -> bool:
        """True if a camera ended for another reason than the end of its recording."""
        return any(runner.failed for runner in self.runners)

    def snapshot(self) -> AgentSnapshot:
        """How everything is now."""
        return AgentSnapshot(
            taken_at=datetime.now(UTC),
            build=self._build,
            cameras=tuple(runner.activity() for runner in self.runners),
            queue=self._outbox.status(),
            uplink=self.uplink.status() if self.uplink is not None else None,
            evidence_bytes=self._evidence.size_bytes if self._evidence is not None else 0,
            certificate_not_after=self._certificate.not_after if self._certificate is not None else None,
            evidence_upload=self._evidence_upload.status() if self._evidence_upload is not None else None,
        )

    def _emit(self, runner: CameraRunner, observation: Observation) -> None:
        """Commit what a frame gave to the queue: only then does it count as emitted."""
        now = datetime.now(UTC)
        camera = runner.camera.id
        if observation.changes:
            self._outbox.append(
                [
                    wire.camera_state_event(camera, change, change_time(observation, change), now).SerializeToString()
                    for change in observation.changes
                ],
                EventKind.CAMERA_STATE,
            )
        if self._evidence_upload is not None:  # first: a kill in between costs nothing, and after it a picture
            for event in observation.events:
                self._evidence_upload.want(event.incident_id, [picture.sha256 for picture in event.evidence])
        if observation.events:
            self._outbox.append(
                [wire.event(event, now).SerializeToString() for event in observation.events], EventKind.INCIDENT
            )
        for change in observation.changes:
            self._log.info("camera_" + change.to_state.value, camera=camera, before=change.from_state.value)
        for event in observation.events:
            self._log.info("incident_" + event.phase.value, camera=camera, **said(event))

    def _heartbeat(self) -> ingest_pb2.Heartbeat:
        cameras = tuple(runner.activity().status for runner in self.runners)
        message = wire.heartbeat(cameras, self._outbox.status(), datetime.now(UTC))
        if self._certificate is not None and self._certificate.not_after is not None:
            message.certificate_not_after.CopyFrom(wire.timestamp(self._certificate.not_after))
        return message

    def _certificate_changed(self) -> None:
        if self.uplink is not None:
            self.uplink.reconnect()

    def _make_uplink(self, config: AgentConfig) -> Uplink:
        aggregator = config.aggregator
        if aggregator is None:
            raise ValueError("an agent without an aggregator has no uplink")
        return Uplink(
            aggregator.address,
            config.id,
            self._outbox,
            self._heartbeat,
            insecure=aggregator.insecure,
            credentials=self._certificate.credentials if self._certificate is not None else None,
            versions=versions(__version__, self._build.model, config.version),
        )

    def _make_evidence_upload(self, config: AgentConfig) -> EvidenceUpload | None:
        aggregator = config.aggregator
        if aggregator is None or self._evidence is None or not config.evidence.upload:
            return None
        return EvidenceUpload(
            aggregator.address,
            config.id,
            self._evidence,
            self._state_dir / "uploads",
            insecure=aggregator.insecure,
            credentials=self._certificate.credentials if self._certificate is not None else None,
            bytes_per_s=config.evidence.upload_bytes_per_s,
            keep=config.evidence.keep_after_upload,
            events_wait=self._events_wait,
        )

    def _events_wait(self) -> bool:
        position = self._outbox.position()
        return position.lowest_unacked_seq < position.next_seq


def _models(detectors: Mapping[str, Detector]) -> str:
    cards = {detector.card.name: detector.card for detector in detectors.values()}
    return ", ".join(f"{name}@{card.sha256[:12]}" for name, card in sorted(cards.items()))
