"""From a camera's configuration to its pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge_agent.capture.open_source import open_recording, probe_source
from edge_agent.capture.source import Source, SourceInfo
from edge_agent.config import (
    AgentConfig,
    CameraConfig,
    ConfigError,
    ParkingZone,
    PassageZone,
    SiteConfig,
)
from edge_agent.detection.camera_looker import CameraLooker
from edge_agent.detection.detections import ClassGroup
from edge_agent.detection.detector import Detector, load_detector
from edge_agent.detection.model_card import ModelCard, ModelError, find_card
from edge_agent.detection.session import checked_file
from edge_agent.detection.windows import plan_windows
from edge_agent.evidence.evidence import EvidenceRecorder
from edge_agent.evidence.pictures import IncidentPictures
from edge_agent.evidence.store import EvidenceStore
from edge_agent.incidents import IncidentBook
from edge_agent.ledger import Ledger
from edge_agent.pipeline import KeepingJudge, Meter, Parts, Pipeline
from edge_agent.scenarios.parking import ParkingJudge
from edge_agent.scenarios.passage import RULES as PASSAGE_RULES
from edge_agent.scenarios.passage import PassageJudge
from edge_agent.scenarios.schedule import in_force
from edge_agent.scene.calibration import Calibration, CalibrationError
from edge_agent.scene.camera_health import CameraHealth
from edge_agent.scene.change_gate import ChangeGate, GateRules, GateZone
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.passage_meter import PassageMeter
from edge_agent.zone_fit import fit_zones, scale_calibration

Zone = ParkingZone | PassageZone


@dataclass(frozen=True, slots=True)
class Site:
    """What all cameras of an agent share."""

    agent_id: str
    site: SiteConfig
    config_version: str
    evidence: EvidenceStore | None = None
    mask_people: bool = True

    @staticmethod
    def of(config: AgentConfig, evidence: EvidenceStore | None = None) -> Site:
        """What a configuration says of it."""
        return Site(config.id, config.site, config.version, evidence, config.evidence.mask_people)


def card_of(camera: CameraConfig, model: str, models_dir: str | Path | None) -> ModelCard:
    """The card of the model that looks at a camera. Raises ``ModelError``."""
    card = find_card(camera.detection.model or model, Path(models_dir) if models_dir else None)
    if camera.detection.min_score is not None:
        card = replace(card, memory_score=min(camera.detection.min_score, card.score_threshold))
    return card


def load_detectors(
    cameras: tuple[CameraConfig, ...],
    model: str,
    models_dir: str | Path | None,
    threads: int | None,
    known: Iterable[Detector] = (),
) -> Mapping[str, Detector]:
    """One detector for each camera's id; cameras with the same model share one, also with those that are ``known``.

    Raises ``ModelError``.
    """
    loaded = {(detector.card.sha256, detector.card.memory_score): detector for detector in known}
    by_camera = {}
    for camera in cameras:
        card = card_of(camera, model, models_dir)
        key = card.sha256, card.memory_score
        if key not in loaded:
            loaded[key] = load_detector(card, threads)
        by_camera[camera.id] = loaded[key]
    return by_camera


def check_classes(camera: CameraConfig, card: ModelCard) -> list[str]:
    """What is wrong with the classes that a camera's zones name: one sentence each."""
    known = set(card.classes) | {group.value for group in ClassGroup}
    problems = []
    for zone in camera.zones:
        if isinstance(zone, ParkingZone):
            for field, names in (("dwell_limit_s", zone.dwell_limit_s), ("exempt_classes", zone.exempt_classes)):
                problems += [
                    f"camera {camera.id!r}, zone {zone.id!r}: {field} names {name!r}, which is neither a class group "
                    f"({', '.join(group.value for group in ClassGroup)}) nor a class of model {card.name}"
                    for name in sorted(names)
                    if name not in known
                ]
    return problems


def check_model(camera: CameraConfig, config: AgentConfig) -> tuple[ModelCard | None, list[str]]:
    """The card of the model that looks at a camera, None if it is of no use; what is wrong with it and its classes."""
    try:
        card = card_of(camera, config.model, config.models_dir)
        checked_file(card)
    except ModelError as error:
        return None, [f"camera {camera.id!r}: {error}"]
    return card, check_classes(camera, card)


def check_camera(camera: CameraConfig, site: SiteConfig) -> tuple[SourceInfo, list[str]]:
    """Open a camera's source and lay its zones over it. What is wrong with the zones. Raises ``SourceError``."""
    info = probe_source(camera, site.time_zone)
    try:
        zones = fit_zones(camera, info.width, info.height)
    except ConfigError as error:
        return info, error.problems
    problems = []
    for zone in zones:
        if isinstance(zone, PassageZone):
            try:
                _calibration(camera, zone, info.width, info.height)
            except CalibrationError as error:
                problems.append(f"camera {camera.id!r}, zone {zone.id!r}: {error}")
    return info, problems


def _calibration(camera: CameraConfig, zone: PassageZone, width: int, height: int) -> Calibration:
    drawn_on = camera.size or (width, height)
    config = zone.calibration or scale_calibration(camera.calibration, width / drawn_on[0], height / drawn_on[1])
    if config is None:
        raise CalibrationError("a passage needs a calibration")
    return Calibration.from_config(config)


def open_camera(camera: CameraConfig, site: SiteConfig) -> tuple[Source, SourceInfo]:
    """A camera's recording and what it is. Raises ``SourceError``, also if the camera is live."""
    source = open_recording(camera, site.time_zone)
    return source, source.probe()


def build_pipeline(
    camera: CameraConfig, site: Site, detector: Detector, width: int, height: int, rules: MemoryRules | None = None
) -> Pipeline:
    """The pipeline of one camera whose frames have this size.

    Raises ``ConfigError`` if its zones do not fit the picture or name what the model does not know.
    """
    problems = check_classes(camera, detector.card)
    zones: tuple[Zone, ...] = ()
    meters: dict[str, Meter] = {}
    try:
        zones = fit_zones(camera, width, height)
    except ConfigError as error:
        problems += error.problems
    for zone in zones:
        if isinstance(zone, PassageZone):
            try:
                calibration = _calibration(camera, zone, width, height)
                meters[zone.id] = PassageMeter(zone, calibration, (width, height))
            except CalibrationError as error:
                problems.append(f"camera {camera.id!r}, zone {zone.id!r}: {error}")
    if problems:
        raise ConfigError(problems)
    schedules = {zone.id: partial(in_force, zone.schedule, site.site) for zone in zones}
    memory = SceneMemory(camera.id, camera.period_s, rules)
    judges: list[KeepingJudge] = [
        ParkingJudge(zone, schedules[zone.id])
        if isinstance(zone, ParkingZone)
        else PassageJudge(
            zone, schedules[zone.id], replace(PASSAGE_RULES, gap_s=max(PASSAGE_RULES.gap_s, memory.gap_s))
        )
        for zone in zones
    ]
    looker = _looker(camera, detector, zones, width, height)
    card = detector.card
    model_version = f"{card.name}@{card.sha256[:12]}"
    return Pipeline(
        Parts(
            health=CameraHealth(),
            looker=looker,
            gate=_gate(camera, zones, width, height, glances=bool(looker.windows)),
            memory=memory,
            meters=meters,
            judges=tuple(judges),
            schedules=schedules,
            incidents=IncidentBook(
                site.agent_id,
                camera.id,
                {zone.id: zone.blind_close_s for zone in zones},
                model_version,
                site.config_version,
            ),
            illustrator=None
            if site.evidence is None
            else IncidentPictures(
                EvidenceRecorder(camera.id, site.site.time_zone, mask=site.mask_people),
                site.evidence,
                {zone.id: zone.polygon for zone in zones},
                f"model {model_version}  config {site.config_version}",
            ),
            ledger=Ledger(memory.gap_s),
        )
    )


def _gate(
    camera: CameraConfig, zones: tuple[Zone, ...], width: int, height: int, *, glances: bool
) -> ChangeGate | None:
    if camera.detection.recheck_s <= camera.period_s or not zones:
        return None
    gated = [GateZone(zone.polygon, isinstance(zone, PassageZone)) for zone in zones]
    return ChangeGate((width, height), gated, GateRules(recheck_s=camera.detection.recheck_s), glances=glances)


def _looker(camera: CameraConfig, detector: Detector, zones: tuple[Zone, ...], width: int, height: int) -> CameraLooker:
    if camera.detection.tiles == "off":
        return CameraLooker(detector, ())
    polygons = [zone.polygon for zone in zones]
    return CameraLooker(detector, plan_windows((width, height), detector.card.input.size, polygons))
