"""Zones and calibrations laid over a picture of another size than the one they were drawn on."""

from __future__ import annotations

from dataclasses import replace

from edge_agent.config import (
    CalibrationConfig,
    CameraConfig,
    ConfigError,
    KnownLength,
    ParkingZone,
    PassageZone,
    PointPair,
    refuse_outside,
)
from edge_agent.config_fields import Point


def fit_zones(camera: CameraConfig, width: int, height: int) -> tuple[ParkingZone | PassageZone, ...]:
    """The camera's zones in pixels of a frame of this size. Raises ``ConfigError`` for one that lies outside it."""
    drawn_on = camera.size or (width, height)
    across, down = width / drawn_on[0], height / drawn_on[1]
    problems: list[str] = []
    zones: list[ParkingZone | PassageZone] = []
    for zone in camera.zones:
        try:
            refuse_outside(zone, *drawn_on)
        except ValueError as error:
            problems.append(f"camera {camera.id!r}: {error}")
        zones.append(_scaled(zone, across, down) if (across, down) != (1.0, 1.0) else zone)
    if problems:
        raise ConfigError(problems)
    return tuple(zones)


def _scaled(zone: ParkingZone | PassageZone, across: float, down: float) -> ParkingZone | PassageZone:
    def point(p: Point) -> Point:
        return p[0] * across, p[1] * down

    polygon = tuple(point(corner) for corner in zone.polygon)
    if isinstance(zone, ParkingZone):
        return replace(zone, polygon=polygon)
    (a, b), (c, d) = zone.ends
    return replace(
        zone,
        polygon=polygon,
        ends=((point(a), point(b)), (point(c), point(d))),
        calibration=scale_calibration(zone.calibration, across, down),
    )


def scale_calibration(calibration: CalibrationConfig | None, across: float, down: float) -> CalibrationConfig | None:
    """The same calibration for a picture that is scaled by these factors."""
    if calibration is None:
        return None
    return replace(
        calibration,
        points=tuple(PointPair((p.px[0] * across, p.px[1] * down), p.m) for p in calibration.points),
        lengths=tuple(
            KnownLength(
                (s.from_px[0] * across, s.from_px[1] * down), (s.to_px[0] * across, s.to_px[1] * down), s.length_m
            )
            for s in calibration.lengths
        ),
    )
