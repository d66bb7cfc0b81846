"""By how much the seconds grew that an agent reports, from one heartbeat to the next.

An agent's sums begin anew when its state is lost, and nothing else tells that they did. A sum over many agents that
falls by one of them reads to Prometheus as if all had begun anew; so what is added up is what each camera's grew by.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from aggregator.heartbeat import AgentHealth, CameraHealth, ZoneHealth
from aggregator.store.tallies import (
    ENFORCED_SECONDS,
    JUDGED_SECONDS,
    STATE_SECONDS,
    VIOLATION_SECONDS,
    Grown,
)

WORST_FIRST = ("blocked", "narrowed", "parked", "crowded")
"""Which kind has the seconds in which violations of several kinds stood in one zone."""

UNSPECIFIED = "unspecified"
"""A violation that began and ended between two heartbeats: nobody said of which kind it was."""

OUT_OF_ORDER = timedelta(seconds=60)
"""A heartbeat that was sent before the one that is kept, and came within this time, was overtaken by it on its way by
another stream. Later ones are from a clock that was set back."""


def overtaken(before: AgentHealth, now: AgentHealth) -> bool:
    """True if ``now`` was sent before ``before``, and only arrived after it."""
    if before.sent_at is None or now.sent_at is None:
        return False
    return now.sent_at < before.sent_at and now.received_at - before.received_at < OUT_OF_ORDER


def growth(before: AgentHealth, now: AgentHealth) -> list[Grown]:
    """By how much each camera's sums grew; nothing is ever negative.

    If any sum of a camera fell, all of the camera's have begun anew, and what they hold now is what they grew by. A
    camera or zone of which ``before`` says no sums grew by nothing: what it counts may be older than is known.
    """
    known = {camera.camera_id: camera for camera in before.cameras if camera.state_seconds}
    cameras = {camera.camera_id: camera for camera in now.cameras}
    return [
        grown
        for name, camera in sorted(cameras.items())
        if name in known
        for grown in _of_camera(known[name], camera)
        if grown.value > 0
    ]


def _of_camera(before: CameraHealth, now: CameraHealth) -> Iterator[Grown]:
    zones = {zone.zone_id: zone for zone in before.zones}
    anew = _began_anew(before, now)
    for state, seconds in now.state_seconds.items():
        since = 0.0 if anew else before.state_seconds.get(state, 0.0)
        yield Grown(now.camera_id, "", "", "", STATE_SECONDS + state, seconds - since)
    for name, zone in {zone.zone_id: zone for zone in now.zones}.items():
        known = zones.get(name)
        if known is not None:
            yield from _of_zone(now.camera_id, known, zone, anew=anew)


def _of_zone(camera_id: str, before: ZoneHealth, now: ZoneHealth, *, anew: bool) -> Iterator[Grown]:
    def grown(name: str, kind: str, seconds: float, since: float) -> Grown:
        return Grown(camera_id, now.zone_id, now.scenario, kind, name, seconds - (0.0 if anew else since))

    yield grown(ENFORCED_SECONDS, "", now.enforced_s, before.enforced_s)
    yield grown(JUDGED_SECONDS, "", now.judged_s, before.judged_s)
    yield grown(VIOLATION_SECONDS, _kind(before, now), now.violation_s, before.violation_s)


def _began_anew(before: CameraHealth, now: CameraHealth) -> bool:
    if any(now.state_seconds.get(state, 0.0) < seconds for state, seconds in before.state_seconds.items()):
        return True
    zones = {zone.zone_id: zone for zone in now.zones}
    return any(_sum_fell(zone, zones[zone.zone_id]) for zone in before.zones if zone.zone_id in zones)


def _sum_fell(before: ZoneHealth, now: ZoneHealth) -> bool:
    return now.enforced_s < before.enforced_s or now.judged_s < before.judged_s or now.violation_s < before.violation_s


def _kind(before: ZoneHealth, now: ZoneHealth) -> str:
    """Of what kind the violation was between two heartbeats: the one that stands, or the one that stood."""
    if now.scenario == "parking":
        return "parked"
    for zone in (now, before):
        for kind in WORST_FIRST:
            if kind in zone.violations:
                return kind
    return UNSPECIFIED
