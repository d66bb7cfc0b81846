"""Series of agents. They stay until the agent is retired: a series that vanished would resolve its alert."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from prometheus_client.core import Metric

from aggregator.catalogue import Kind, Scope, Source, Sums, Values, declare
from aggregator.heartbeat import AgentHealth
from aggregator.overview import AgentState, Overview

T = TypeVar("T")

_G, _C, _AGENT, _BEAT, _STORE = Kind.GAUGE, Kind.COUNTER, Scope.AGENT, Source.HEARTBEAT, Source.STORE

AGENTS = declare(
    _G, Scope.FIXED, _STORE, "agents", "state", "Agents: connected; silent, if they were heard before; never, if not."
)
STATE = declare(
    _G, _AGENT, _STORE, "agent_state", "agent state", "1 for the state that an agent is in, 0 for the others."
)
INFO = declare(
    _G,
    _AGENT,
    _STORE,
    "agent_info",
    "agent version model config platform",
    "1; what runs on the agent's box: its version, its model and the hash of its configuration.",
)
STREETS = declare(
    _G,
    _AGENT,
    Source.PLACES,
    "agent_street_info",
    "agent district street",
    "1 for each street in which the agent has a camera.",
)
CAMERAS = declare(
    _G,
    _AGENT,
    _BEAT,
    "cameras",
    "agent state",
    "The agent's cameras by state, if there are any; silent while it is, unheard if never heard of.",
)
ALL_CONNECTED = declare(
    _G, Scope.FIXED, Source.PROCESS, "agents_connected", "", "Agents with a stream to this process now."
)
CONNECTED = declare(
    _G, _AGENT, Source.PROCESS, "agent_connected", "agent", "1 if the agent has a stream to this process now."
)
LAST_SEEN = declare(
    _G,
    _AGENT,
    _STORE,
    "agent_last_seen_timestamp_seconds",
    "agent",
    "When the agent was last heard; absent if it never was.",
)
QUEUE_EVENTS = declare(
    _G, _AGENT, _BEAT, "agent_queue_events", "agent", "Events on the agent's box that wait for an ack."
)
QUEUE_BYTES = declare(_G, _AGENT, _BEAT, "agent_queue_bytes", "agent", "Disk space that the agent's queue takes.")
QUEUE_AGE = declare(
    _G,
    _AGENT,
    _BEAT,
    "agent_queue_oldest_age_seconds",
    "agent",
    "Age of the oldest event that waits for an ack, 0 if none waits; it grows while the agent is silent.",
)
QUEUE_SHED = declare(_C, _AGENT, _BEAT, "agent_queue_shed_events_total", "agent", "Events that a full queue shed.")
DEAD_LETTERS = declare(
    _G,
    _AGENT,
    _BEAT,
    "agent_queue_dead_letters",
    "agent",
    "Events that the agent keeps apart because they were rejected.",
)
QUARANTINED = declare(
    _C, _AGENT, _BEAT, "agent_queue_quarantined_files_total", "agent", "Queue files that were damaged and set aside."
)
CLOCK_OFFSET = declare(
    _G, _AGENT, _BEAT, "agent_clock_offset_seconds", "agent", "The agent's clock minus the aggregator's."
)
CERTIFICATE = declare(
    _G,
    _AGENT,
    _BEAT,
    "agent_certificate_expiry_timestamp_seconds",
    "agent",
    "When the agent's certificate ends; absent without one.",
)
EVENTS = declare(_C, _AGENT, _STORE, "ingest_events_total", "agent", "Events stored.")
REJECTED = declare(_C, _AGENT, _STORE, "ingest_rejected_events_total", "agent", "Events that can never be taken.")
DUPLICATE = declare(_C, _AGENT, _STORE, "ingest_duplicate_events_total", "agent", "Events that came again.")
LOST = declare(_G, _AGENT, _STORE, "ingest_lost_events", "agent reason", "Events known to be lost.")


def agent_series(seen: Overview) -> Iterator[Metric]:
    """How agents are, and what came from them."""
    yield AGENTS.filled(
        {(state.value,): float(sum(now is state for now in seen.agents.values())) for state in AgentState}
    )
    yield STATE.filled(
        {(name, state.value): float(now is state) for name, now in seen.agents.items() for state in AgentState}
    )
    facts = seen.store.agents.items()
    yield INFO.filled(
        {(name, one.agent_version, one.model_version, one.config_version, one.platform): 1.0 for name, one in facts}
    )
    yield STREETS.filled({(name, *street): 1.0 for name, street in seen.agent_streets})
    cameras = Sums(float)  # states without cameras are left out: twelve for each agent would be a fifth of all series
    for (name, _), camera in seen.cameras.items():
        cameras[name, camera.state] += 1
    yield CAMERAS.filled(cameras)
    here = {now.agent_id: float(now.connected) for now in seen.here}
    yield ALL_CONNECTED.filled({(): sum(here.values())})
    yield CONNECTED.filled({(name,): value for name, value in here.items()})
    yield LAST_SEEN.filled({(name,): at.timestamp() for name, at in seen.last_seen.items()})
    yield from _health_series(seen)
    events = seen.store.events
    yield EVENTS.filled(_by(events, lambda counts: counts.stored))
    yield REJECTED.filled(_by(events, lambda counts: counts.rejected))
    yield DUPLICATE.filled(_by(events, lambda counts: counts.duplicates))
    yield LOST.filled({key: float(count) for key, count in seen.store.lost.items()})


def _health_series(seen: Overview) -> Iterator[Metric]:
    health = {now.agent_id: now.health for now in seen.here if now.health is not None}
    kept = {now.agent_id: now.kept for now in seen.here if now.kept is not None}
    yield QUEUE_EVENTS.filled(_by(health, lambda one: one.pending_events))
    yield QUEUE_BYTES.filled(_by(health, lambda one: one.queue_bytes))
    yield QUEUE_AGE.filled(_by(health, lambda one: _oldest_age_s(one, seen)))
    yield QUEUE_SHED.filled(_by(kept, lambda one: one.shed_events))
    yield DEAD_LETTERS.filled(_by(health, lambda one: one.dead_letters))
    yield QUARANTINED.filled(_by(kept, lambda one: one.quarantined_files))
    yield CLOCK_OFFSET.filled(
        {(name,): one.clock_offset_s for name, one in health.items() if one.clock_offset_s is not None}
    )
    yield CERTIFICATE.filled(
        {
            (name,): one.certificate_not_after.timestamp()
            for name, one in health.items()
            if one.certificate_not_after is not None
        }
    )


def _oldest_age_s(health: AgentHealth, seen: Overview) -> float:
    if health.oldest_emitted_at is None:
        return 0.0
    return max(0.0, (seen.taken_at - health.oldest_emitted_at).total_seconds() + (health.clock_offset_s or 0.0))


def _by(things: Mapping[str, T], value: Callable[[T], float]) -> Values:
    return {(name,): value(thing) for name, thing in things.items()}
