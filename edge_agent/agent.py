"""Many cameras, one queue, one connection: what runs on a box."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from clearway.v1 import ingest_pb2

from edge_agent import __version__, wire
from edge_agent.assembly import Site, load_detectors
from edge_agent.camera_runner import CameraRunner
from edge_agent.config import AgentConfig, CameraConfig
from edge_agent.emission import Emission
from edge_agent.evidence.store import EvidenceStore
from edge_agent.identity.certificate_keeper import keeper_for
from edge_agent.lifetime.box import read_box
from edge_agent.lifetime.lifetime import QUEUE_SILENT_S, UPLINK_SILENT_S, Lifetime, Pulse, Vital
from edge_agent.lifetime.reload import all_again, check_reload
from edge_agent.lifetime.removed_cameras import retire, state_file_of
from edge_agent.lifetime.service_manager import ServiceManager
from edge_agent.lifetime.supervisor import Supervisor
from edge_agent.outbox.outbox import Outbox
from edge_agent.pace import Pace
from edge_agent.status import AgentSnapshot, BuildInfo, LifetimeStatus
from edge_agent.status_server import StatusServer
from edge_agent.turns import Turns, share_out
from edge_agent.uplink.evidence_upload import EvidenceUpload
from edge_agent.uplink.state import UplinkState
from edge_agent.uplink.uplink import Uplink, versions

FLUSH_S = 10.0
"""Longest that a stopping agent waits for the aggregator to take what is queued; the rest waits on the disk."""
QUEUE_PATIENCE_S = 30.0
"""Longest that an agent whose recordings have ended waits for an aggregator that takes nothing: it may start anew."""
EVIDENCE_FLUSH_S = 5.0
"""Longest that a stopping agent goes on with stills once the events are through; the rest waits on the disk."""
LOOK_EVERY_S = 0.5
"""How often the main thread sees to everything."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Agent:
    """Runs the cameras of a configuration until they end or it is told to stop.

    ``speed`` is how many times faster than real time recordings play; None lets them run as fast as they can.
    ``fresh`` forgets what earlier runs knew of the cameras. A source that fails is opened again and again if
    ``patient``, else its camera has failed. Raises ``ModelError``, ``OutboxError``,
    ``MetricsError`` and ``UplinkError``.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        speed: float | None = 1.0,
        fresh: bool = False,
        patient: bool = True,
        manager: ServiceManager | None = None,
    ) -> None:
        self._config = config
        self._speed = speed
        self._patient = patient
        self._manager = manager or ServiceManager()
        self._log = structlog.get_logger("agent")
        self._state_dir = Path(config.state_dir)
        self._share = share_out(len(config.cameras), config.threads)
        self._turns = Turns(self._share.at_once)
        self._detectors = load_detectors(config.cameras, config.model, config.models_dir, self._share.threads)
        self._build = self._build_of(config)
        self._outbox = Outbox(self._state_dir, config.queue.max_bytes, config.queue.when_full)
        self._evidence = (
            EvidenceStore(self._state_dir / "evidence", config.evidence.max_bytes) if config.evidence.enabled else None
        )
        self._site = Site.of(config, self._evidence)
        self._certificate = keeper_for(config, self._certificate_changed)
        self._versions = versions(__version__, self._build.model, config.version)
        self.uplink = None if config.aggregator is None else self._make_uplink(config)
        self._evidence_upload = self._make_evidence_upload(config)
        self._emission = Emission(self._outbox, self._evidence_upload, _utc_now)
        self.supervisor = Supervisor(
            self._make_runner,
            config.cameras,
            stuck_after_s=config.lifetime.stuck_after_s,
            max_stuck_threads=config.lifetime.max_stuck_threads,
            patient=patient,
        )
        if fresh:
            for runner in self.supervisor.runners:
                runner.forget()
        self._queue_pulse = Pulse("queue-pulse", self._outbox.status)
        self._lifetime = Lifetime(config.lifetime, self.supervisor, self._vitals(), self._manager, self._summary)
        self._reloads = (True, _utc_now())
        self._server: StatusServer | None = None

    def start(self) -> None:
        """Begin. Raises ``ConfigError`` if the metrics address cannot be used, before anything else has begun."""
        metrics = self._config.metrics
        self._server = StatusServer(metrics.listen, self.snapshot, per_camera=metrics.per_camera)
        self._log.info(
            "agent_started",
            agent=self._config.id,
            version=__version__,
            model=self._build.model,
            metrics_port=self._server.port,
            aggregator=self._config.aggregator.address if self._config.aggregator else None,
            memory_ceiling_bytes=self._lifetime.ceiling_bytes,
        )
        if self._certificate is not None:
            self._certificate.start()
        if self.uplink is not None:
            self.uplink.start()
        if self._evidence_upload is not None:
            self._evidence_upload.start()
        self._retire(self._config.cameras)
        self._queue_pulse.start()
        self.supervisor.start()
        self._manager.ready(self._summary())

    def wait(self, stop: threading.Event, *, until_end: bool, reload: threading.Event | None = None) -> None:
        """See to everything until told to stop or, with ``until_end``, until every recording and the queue have ended.

        A queue that nobody takes from for ``QUEUE_PATIENCE_S`` is left for the next start, as is one that the
        aggregator refuses. Raises ``HopelessError`` when only a new process can go on; ``stop`` the agent all the same.
        """
        taken_through, taken_at_s = -1, 0.0
        while not stop.wait(LOOK_EVERY_S):
            if reload is not None and reload.is_set():
                return
            self._lifetime.look()
            if not until_end or not all(runner.ended.is_set() for runner in self.supervisor.runners):
                continue
            position, now_s = self._outbox.position(), time.monotonic()
            if position.lowest_unacked_seq != taken_through:
                taken_through, taken_at_s = position.lowest_unacked_seq, now_s
            if position.lowest_unacked_seq == position.next_seq or not self._may_be_taken():
                return
            if now_s - taken_at_s >= QUEUE_PATIENCE_S:
                return

    def reload(self, wanted: AgentConfig) -> None:
        """Go on by another configuration. Cameras whose section is as it was go on untouched.

        Raises ``ConfigError`` with everything that is wrong, and ``ModelError``: nothing has changed then. Raises
        ``HopelessError`` if a camera that is to end hangs.
        """
        self._manager.reloading()
        running = self._config
        sizes = {runner.camera.id: runner.picture_size for runner in self.supervisor.runners}
        check_reload(running, wanted, {camera: size for camera, size in sizes.items() if size is not None})
        detectors = load_detectors(
            wanted.cameras, wanted.model, wanted.models_dir, self._share.threads, self._detectors.values()
        )
        again = all_again(running, wanted)
        self._config, self._detectors = wanted, detectors
        self._site = Site.of(wanted, self._evidence)
        self._build = self._build_of(wanted)
        self.supervisor.change(wanted.cameras, all_again=again)
        self._lifetime.use(wanted.lifetime)
        self._retire(wanted.cameras)
        self._versions.CopyFrom(versions(__version__, self._build.model, wanted.version))
        if self.uplink is not None:
            self.uplink.reconnect()
        self._reloads = (True, _utc_now())
        before = {camera.id: camera for camera in running.cameras}
        after = {camera.id: camera for camera in wanted.cameras}
        self._log.info(
            "config_reloaded",
            config=wanted.version,
            added=sorted(after.keys() - before.keys()),
            removed=sorted(before.keys() - after.keys()),
            changed=sorted(name for name in after.keys() & before.keys() if again or after[name] != before[name]),
        )
        self._manager.ready(self._summary())

    def reload_refused(self, problems: Iterable[str]) -> None:
        """Say why the agent goes on by the configuration that it has."""
        self._reloads = (False, self._reloads[1])
        for problem in problems:
            self._log.error("config_not_reloaded", problem=problem, config=self._config.version)
        self._manager.ready(self._summary())

    def stop(self, why: str = "told to stop") -> None:
        """Finish the frames at work, keep the state, let the queue drain for a while."""
        self._manager.stopping(why)
        self.supervisor.stop()
        self._queue_pulse.stop()
        if self._certificate is not None:
            self._certificate.stop()
        if self.uplink is not None:
            self.uplink.stop(FLUSH_S)
        if self._evidence_upload is not None:
            self._evidence_upload.stop(EVIDENCE_FLUSH_S)
        if self._server is not None:
            self._server.close()
        status = self._outbox.status()
        self._outbox.close()
        self._log.info("agent_stopped", why=why, queued_events=status.pending_events)

    @property
    def failed(self) -> bool:
        """True if a camera ended for another reason than the end of its recording."""
        return any(runner.failed for runner in self.supervisor.runners)

    def snapshot(self) -> AgentSnapshot:
        """How everything is now."""
        reloaded, reloaded_at = self._reloads
        return AgentSnapshot(
            taken_at=_utc_now(),
            build=self._build,
            cameras=tuple(runner.activity() for runner in self.supervisor.runners),
            queue=self._outbox.status(),
            uplink=self.uplink.status() if self.uplink is not None else None,
            evidence_bytes=self._evidence.size_bytes if self._evidence is not None else 0,
            certificate_not_after=self._certificate.not_after if self._certificate is not None else None,
            evidence_upload=self._evidence_upload.status() if self._evidence_upload is not None else None,
            box=read_box(self._state_dir),
            lifetime=LifetimeStatus(
                supervisor=self.supervisor.status(),
                main_silent_s=self._lifetime.silent_s(),
                memory_ceiling_bytes=self._lifetime.ceiling_bytes,
                written_bytes_a_day=self._lifetime.wear.bytes_a_day,
                write_budget_bytes=self._config.lifetime.max_written_bytes_per_day,
                reload_successful=reloaded,
                reloaded_at=reloaded_at,
            ),
        )

    def _make_runner(self, camera: CameraConfig) -> CameraRunner:
        return CameraRunner(
            camera,
            self._site,
            self._detectors[camera.id],
            self._turns,
            state_file_of(self._state_dir / "cameras", camera.id),
            self._emission.observed,
            Pace(self._speed),
            patient=self._patient,
        )

    def _retire(self, cameras: Iterable[CameraConfig]) -> None:
        retire(self._state_dir / "cameras", [camera.id for camera in cameras], self._emission.ended)

    def _may_be_taken(self) -> bool:
        """False if only a person can make the aggregator take what is queued, or there is none."""
        return self.uplink is not None and self.uplink.status().state is not UplinkState.REFUSED

    def _vitals(self) -> tuple[Vital, ...]:
        queue = Vital("queue", QUEUE_SILENT_S, self._queue_pulse.silent_s)
        return (queue,) if self.uplink is None else (queue, Vital("uplink", UPLINK_SILENT_S, self.uplink.silent_s))

    def _summary(self) -> str:
        """One line for a person: cameras by state, the queue, the connection."""
        states: dict[str, int] = {}
        for runner in self.supervisor.runners:
            state = runner.activity().status.state.value
            states[state] = states.get(state, 0) + 1
        position = self._outbox.position()
        parts = [", ".join(f"{count} {state}" for state, count in sorted(states.items()))]
        parts.append(f"{position.next_seq - position.lowest_unacked_seq} events queued")
        parts.append(f"uplink {self.uplink.status().state.value}" if self.uplink is not None else "no aggregator")
        return f"cameras: {'; '.join(parts)}"

    def _build_of(self, config: AgentConfig) -> BuildInfo:
        cards = {detector.card.name: detector.card for detector in self._detectors.values()}
        models = ", ".join(f"{name}@{card.sha256[:12]}" for name, card in sorted(cards.items()))
        return BuildInfo(__version__, models, config.version)

    def _heartbeat(self) -> ingest_pb2.Heartbeat:
        cameras = tuple(runner.activity().status for runner in self.supervisor.runners)
        message = wire.heartbeat(cameras, self._outbox.status(), _utc_now())
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
            versions=self._versions,
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
