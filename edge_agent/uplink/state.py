"""Where the connection to the aggregator stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from edge_agent.uplink.latency import Latencies


class UplinkState(StrEnum):
    """What the uplink is doing."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    BACKING_OFF = "backing_off"
    REFUSED = "refused"
    DRAINING = "draining"


_S = UplinkState
TRANSITIONS: dict[UplinkState, frozenset[UplinkState]] = {
    _S.STOPPED: frozenset({_S.CONNECTING}),
    _S.CONNECTING: frozenset({_S.CONNECTED, _S.BACKING_OFF, _S.REFUSED, _S.STOPPED}),
    _S.CONNECTED: frozenset({_S.DRAINING, _S.CONNECTING, _S.BACKING_OFF, _S.REFUSED, _S.STOPPED}),
    _S.DRAINING: frozenset({_S.CONNECTING, _S.BACKING_OFF, _S.REFUSED, _S.STOPPED}),
    _S.BACKING_OFF: frozenset({_S.CONNECTING, _S.STOPPED}),
    _S.REFUSED: frozenset({_S.CONNECTING, _S.STOPPED}),
}
"""The changes that are permitted; connected to connecting is a new Hello after the queue's head has moved."""


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """A snapshot of the uplink.

    ``reconnects`` counts attempts to connect after the first, ``failures`` errors inside the uplink itself.
    ``clock_offset_s`` is the agent's clock minus the aggregator's, None until measured. ``last_error`` says for a
    person why the last stream ended.
    """

    state: UplinkState = UplinkState.STOPPED
    since: datetime | None = None
    reconnects: int = 0
    failures: int = 0
    in_flight_events: int = 0
    clock_offset_s: float | None = None
    ack_latency: Latencies = field(default_factory=Latencies)
    last_error: str = ""
