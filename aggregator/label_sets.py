"""The names that become labels of metrics: so many cameras for each agent, so many zones for each camera."""

from __future__ import annotations

from collections.abc import Iterable

from aggregator.config import LimitsConfig


class LabelSets:
    """Every name that was heard of. Names of the store count, so a restart gives nobody new ones.

    Used from the event loop alone.
    """

    def __init__(self, limits: LimitsConfig, known: Iterable[tuple[str, str, str]] = ()) -> None:
        self._limits = limits
        self._agents: dict[str, dict[str, set[str]]] = {}
        for agent_id, camera_id, zone_id in known:
            zones = self._agents.setdefault(agent_id, {}).setdefault(camera_id, set())
            if zone_id:
                zones.add(zone_id)

    def refuses(self, agent_id: str, camera_id: str, zone_id: str = "") -> str:
        """Why an agent may not use these names, for a person; empty, and they are known from now on, if it may."""
        cameras = self._agents.setdefault(agent_id, {})
        zones = cameras.get(camera_id)
        if zones is None:
            if len(cameras) >= self._limits.cameras:
                return f"camera_id {camera_id!r} is one more than {self._limits.cameras}, which is limits.cameras"
            zones = cameras[camera_id] = set()
        if zone_id and zone_id not in zones:
            if len(zones) >= self._limits.zones_per_camera:
                most = self._limits.zones_per_camera
                return f"zone_id {zone_id!r} is one more than {most} of this camera, which is limits.zones_per_camera"
            zones.add(zone_id)
        return ""
