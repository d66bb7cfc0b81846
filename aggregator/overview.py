"""What one scrape shows, put together from the store, the fleet and the places: where and how everything is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from clearway.v1 import camera_pb2

from aggregator.fleet import AgentNow
from aggregator.heartbeat import CameraHealth
from aggregator.places import Place
from aggregator.places_file import PlacesState
from aggregator.store.snapshot import Disk, StoreSnapshot
from aggregator.store.snapshot import Place as Incidents
from aggregator.store.tallies import StreetKey

CameraKey = tuple[str, str]
"""Agent and camera."""

SEEN_STATES = tuple(
    name.removeprefix("CAMERA_STATE_").lower()
    for name in camera_pb2.CameraState.DESCRIPTOR.values_by_name
    if "UNSPECIFIED" not in name
)
"""What a camera may say of itself."""
SILENT = "silent"
UNHEARD = "unheard"
CAMERA_STATES = (*SEEN_STATES, SILENT, UNHEARD)

KINDS_OF = {"parking": ("parked",), "passage": ("blocked", "narrowed", "crowded")}
"""The kinds of findings that a scenario knows: a zone's counters begin at 0 for each of them."""


class AgentState(StrEnum):
    """Whether an agent is there."""

    CONNECTED = "connected"
    SILENT = "silent"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class CameraNow:
    """A camera at one moment. ``state`` counts its agent's silence; ``kept`` is what counters are shown by."""

    place: Place
    state: str
    health: CameraHealth | None
    kept: CameraHealth | None

    @property
    def heard(self) -> bool:
        """True while the camera's agent is not silent."""
        return self.state not in (SILENT, UNHEARD)


@dataclass(frozen=True)
class Overview:
    """What is known at one moment.

    ``expected`` are agents that should be there, whether or not they ever came; one that was not heard for
    ``silent_after_s`` seconds is silent. ``evidence_disk`` is None if no pictures are taken.
    """

    store: StoreSnapshot
    fleet: tuple[AgentNow, ...]
    taken_at: datetime
    places: PlacesState = field(default_factory=PlacesState)
    expected: frozenset[str] = frozenset()
    silent_after_s: float = 30.0
    evidence_disk: Disk | None = None

    @cached_property
    def here(self) -> tuple[AgentNow, ...]:
        """The fleet without agents that were retired."""
        return tuple(now for now in self.fleet if now.agent_id in self.store.agents)

    @cached_property
    def open_incidents(self) -> Mapping[Incidents, tuple[int, datetime]]:
        """How many are open, and when the first of them was opened; a retired agent's are left out."""
        return {
            place: (count, self.store.oldest_open[place])
            for place, count in self.store.open_incidents.items()
            if place.agent_id in self.store.agents
        }

    @cached_property
    def last_seen(self) -> Mapping[str, datetime]:
        """When each agent was last heard, by this process or another one."""
        seen = {agent: facts.last_seen_at for agent, facts in self.store.agents.items()}
        for now in self.here:
            seen[now.agent_id] = max(now.last_seen_at, seen.get(now.agent_id, now.last_seen_at))
        return seen

    @cached_property
    def agents(self) -> Mapping[str, AgentState]:
        """Every agent that came, is expected, or has a camera in the places file."""
        silent = self.taken_at - timedelta(seconds=self.silent_after_s)
        placed = {agent for agent, _ in self.places.places.cameras}
        states = dict.fromkeys(sorted(self.expected | placed), AgentState.NEVER)
        for agent, seen in self.last_seen.items():
            states[agent] = AgentState.SILENT if seen < silent else AgentState.CONNECTED
        return states

    @cached_property
    def cameras(self) -> Mapping[CameraKey, CameraNow]:
        """Every camera that was ever heard of, or has a place; sorted."""
        health = {(now.agent_id, one.camera_id): one for now in self.here if now.health for one in now.health.cameras}
        kept = {(now.agent_id, one.camera_id): one for now in self.here if now.kept for one in now.kept.cameras}
        counted = {(key.agent_id, key.camera_id) for key in self.store.tallies}
        heard = {key for key in {*self.store.camera_states, *counted, *health} if key[0] in self.store.agents}
        placed = self.places.places.cameras
        return {
            key: CameraNow(
                self.places.places.of(*key),
                self._state(key, health.get(key)) if key in heard else UNHEARD,
                health.get(key),
                kept.get(key),
            )
            for key in sorted(heard | set(placed))
        }

    @cached_property
    def streets(self) -> tuple[StreetKey, ...]:
        """Every street of the places file, and every other that a camera stands in or that something was counted of."""
        streets = set(self.places.places.streets) | {camera.place.key for camera in self.cameras.values()}
        return tuple(sorted(streets | {StreetKey(key.district, key.street) for key in self.store.street_sums}))

    @cached_property
    def agent_streets(self) -> tuple[tuple[str, StreetKey], ...]:
        """Each agent with each street in which it has a camera."""
        return tuple(sorted({(agent, camera.place.key) for (agent, _), camera in self.cameras.items()}))

    def by_street(self) -> Iterator[tuple[StreetKey, CameraNow]]:
        """Every camera with its street."""
        for camera in self.cameras.values():
            yield camera.place.key, camera

    def street_of(self, agent_id: str, camera_id: str) -> StreetKey:
        """The street in which a camera stands."""
        return self.places.places.street_of(agent_id, camera_id)

    def _state(self, key: CameraKey, health: CameraHealth | None) -> str:
        said = self.store.camera_states.get(key) or (health.state if health is not None else None)
        if said is None:
            return UNHEARD
        return said if self.agents.get(key[0]) is AgentState.CONNECTED else SILENT
