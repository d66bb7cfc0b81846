"""A city to measure with: 10,000 cameras of 2,000 agents in 500 streets, all with something to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clearway.v1 import camera_pb2, ingest_pb2, scene_pb2
from sqlalchemy import insert
from sqlalchemy.engine import URL

from aggregator.fleet import Fleet
from aggregator.overview import Overview
from aggregator.places import Place, Places, Street
from aggregator.places_file import PlacesState
from aggregator.records import Batch, Entry, IncidentEvent, Phase
from aggregator.store.engine import writing_engine
from aggregator.store.schema import agents, streams
from aggregator.store.store import Store
from aggregator.store.tallies import StreetKey

AGENTS, CAMERAS_EACH, STREETS, DISTRICTS = 2000, 5, 500, 16
EPOCH = bytes(16)
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def agent_name(number: int) -> str:
    return f"box-{number:04d}"


def street_of(agent: int) -> StreetKey:
    street = agent % STREETS
    return StreetKey(f"d{street % DISTRICTS:02d}", f"s{street:03d}")


def places() -> Places:
    """Each agent's cameras stand in one street, four agents in each."""
    cameras = {
        (agent_name(agent), f"camera-{camera}"): Place("city", *street_of(agent), "c1", 31.0 + agent / 1e4, 121.0)
        for agent in range(AGENTS)
        for camera in range(CAMERAS_EACH)
    }
    names = {street_of(agent): Street("city", "上海市", "黄浦区", f"第{agent}街道") for agent in range(STREETS)}
    return Places(cameras, names)


def heartbeat(minutes: float) -> ingest_pb2.Heartbeat:
    """What any agent says after so many minutes: four cameras watch a kerb, the fifth a footbridge."""
    message = ingest_pb2.Heartbeat(clock_offset_s=0.1)
    message.sent_at.FromDatetime(NOW + timedelta(minutes=minutes))
    message.queue.size_bytes = 4096
    for camera in range(CAMERAS_EACH):
        status = message.cameras.add(camera_id=f"camera-{camera}", state=camera_pb2.CAMERA_STATE_SEEING)
        status.last_frame_at.FromDatetime(NOW)
        status.state_seconds.add(state=camera_pb2.CAMERA_STATE_SEEING, seconds=60 * minutes)
        status.state_seconds.add(state=camera_pb2.CAMERA_STATE_DARK, seconds=6 * minutes)
        bridge = camera == CAMERAS_EACH - 1
        zone = status.zones.add(
            zone_id="deck" if bridge else "kerb",
            scenario=scene_pb2.SCENARIO_PASSAGE if bridge else scene_pb2.SCENARIO_PARKING,
            enforced=True,
            judged=True,
            enforced_seconds=66 * minutes,
            judged_seconds=60 * minutes,
            violation_seconds=6 * minutes,
        )
        kind = scene_pb2.FINDING_KIND_BLOCKED if bridge else scene_pb2.FINDING_KIND_PARKED
        zone.findings.add(zone_id=zone.zone_id, kind=kind, violation=True)
        if bridge:
            zone.clear_width.state = scene_pb2.MEASUREMENT_STATE_MEASURED
            zone.clear_width.width_m = 1.1
            zone.clear_width.uncertainty_m = 0.05
            zone.blocked_below_m, zone.narrowed_below_m = 1.2, 1.8
    return message


class City:
    """A store and a fleet that know the whole city. Every fifth camera has had incidents."""

    def __init__(self, url: URL) -> None:
        self.places = places()
        self.store = Store(url)
        self.store.migrate()
        self.store.street_of = self.places.street_of
        self.fleet = Fleet()
        self._register(url)
        for minutes in (0.0, 10.0):
            self.beat(minutes)

    def beat(self, minutes: float) -> None:
        """Every agent sends a heartbeat, and the store keeps them."""
        at = NOW + timedelta(minutes=minutes)
        said = heartbeat(minutes)
        for agent in range(AGENTS):
            self.fleet.heartbeat(agent_name(agent), said, at)
        notes = self.fleet.take_notes()
        self.store.note(notes)
        self.fleet.kept(notes)

    def overview(self) -> Overview:
        """How the city is now."""
        state = PlacesState(self.places, NOW)
        return Overview(self.store.snapshot(), self.fleet.now(), NOW + timedelta(minutes=10), state)

    def _register(self, url: URL) -> None:
        engine = writing_engine(url)
        agent = {"state": "known", "agent_version": "0.1.0", "model_version": "nanodet-g-416@4b130fef2ec4", "fence": 1}
        agent |= {"config_version": "abc", "platform": "Linux", "first_seen_at": NOW, "last_seen_at": NOW}
        stream = {"epoch": EPOCH, "committed_seq": 0, "fence": 1, "opened_at": NOW}
        stream |= {"stored_events": 0, "rejected_events": 0, "duplicate_events": 0}
        names = [{"agent_id": agent_name(number)} for number in range(AGENTS)]
        with engine.begin() as connection:
            connection.execute(insert(agents), [name | agent for name in names])
            connection.execute(insert(streams), [name | stream for name in names])
        engine.dispose()
        kerb, deck = ("camera-0", "kerb", "parking", "parked"), ("camera-4", "deck", "passage", "blocked")
        entries = (*self._life(1, "k", kerb, "left"), *self._life(3, "d", deck, "cleared"), self._opening(5, "o", kerb))
        self.store.commit([Batch(agent_name(agent), EPOCH, 1, 1, entries) for agent in range(0, AGENTS, 2)])

    def _life(self, seq: int, name: str, where: tuple[str, str, str, str], reason: str) -> list[Entry]:
        opening = self._opening(seq, name, where)
        assert isinstance(opening.body, IncidentEvent)
        closing = opening.body._replace(phase=Phase.CLOSED, occurred_at=NOW + timedelta(minutes=7), close_reason=reason)
        return [opening, opening._replace(seq=seq + 1, body=closing)]

    def _opening(self, seq: int, name: str, where: tuple[str, str, str, str]) -> Entry:
        camera, zone, scenario, kind = where
        body = IncidentEvent(
            incident_id=name,
            phase=Phase.OPENED,
            camera_id=camera,
            zone_id=zone,
            scenario=scenario,
            kind=kind,
            class_group="vehicle",
            class_name="car",
            stay_id=name,
            occurred_at=NOW,
            opened_at=NOW,
            stay_from=NOW,
            open_start=False,
            dwell_observed_s=300,
            dwell_occluded_s=0,
            dwell_unknown_s=0,
            limit_s=300,
            box=None,
            clear_width_m=None,
            clear_width_uncertainty_m=None,
            severity="major",
            close_reason=None,
            evidence=(),
            model_version="m",
            config_version="c",
        )
        return Entry(seq, b"", NOW, NOW, body)
