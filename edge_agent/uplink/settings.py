"""The numbers by which the uplink works, and which addresses it may use."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from edge_agent.config_file import ConfigError


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """How the uplink behaves. All times in seconds; what ``Welcome`` sets is bounded by these."""

    connect_timeout_s: float = 20.0
    """For name, TCP and HTTP/2: a mobile link that wakes up takes several seconds."""
    welcome_timeout_s: float = 15.0
    """From Hello to Welcome; the aggregator reads one row for it."""
    ack_timeout_s: float = 30.0
    """Without an ack for so long the stream is taken for dead: far above a commit, far below a person's patience."""
    half_close_timeout_s: float = 5.0
    """How long to wait for the aggregator to end a stream that was half-closed."""
    backoff_first_s: float = 1.0
    """Upper end of the first wait; waits are drawn evenly from zero to the upper end, which doubles each time."""
    backoff_max_s: float = 60.0
    """Highest upper end: a street is at most a minute late after an outage, and a thousand agents spread over it."""
    refused_retry_s: float = 300.0
    """Upper end of the wait after a refusal, which only a person can lift; never less than half of it."""
    stable_s: float = 30.0
    """A stream that lasted so long was good: the next wait starts small again."""
    batch_age_s: float = 0.2
    """How long events wait for company while others are on the way."""
    batch_bytes: int = 1024 * 1024
    """Most bytes in one batch: a quarter of what a gRPC server takes by default."""
    max_window: int = 4096
    """Most events on the way, whatever the aggregator allows."""
    default_heartbeat_s: float = 15.0
    """Heartbeat when the aggregator names none; keeps the mapping of a mobile network's NAT alive (30 s at worst)."""
    min_heartbeat_s: float = 0.2
    max_heartbeat_s: float = 3600.0
    max_pause_s: float = 3600.0
    """Longest throttle or drain that is obeyed, so that a wrong number cannot silence an agent for good."""
    look_every_s: float = 30.0
    """Longest without a look at what there is to do: by it the uplink shows that it lives."""
    keepalive_time_s: float = 60.0
    """Between pings on a silent connection. The aggregator must permit it, else it ends streams as too_many_pings."""
    keepalive_timeout_s: float = 20.0
    """Without an answer to a ping for so long the connection is dead."""

    def channel_options(self) -> list[tuple[str, int]]:
        """The options of a gRPC channel."""
        return [
            ("grpc.keepalive_time_ms", int(self.keepalive_time_s * 1000)),
            ("grpc.keepalive_timeout_ms", int(self.keepalive_timeout_s * 1000)),
            ("grpc.http2.max_pings_without_data", 0),
            # An attempt has a channel of its own, and the uplink does the waiting between attempts.
            ("grpc.use_local_subchannel_pool", 1),
            # A proxy from the environment must never see what is meant for this machine alone.
            ("grpc.enable_http_proxy", 0),
        ]


def check_address(address: str, insecure: bool) -> None:
    """Raise ``ConfigError`` unless the address may be used: without TLS nothing may leave this machine."""
    if insecure and not _is_loopback(address.rpartition(":")[0]):
        problem = (
            f"aggregator.address: {address} is not on this machine, and without TLS nothing may leave it: take "
            f"insecure: true out and enrol this agent, or use a loopback address such as 127.0.0.1:50051"
        )
        raise ConfigError([problem])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
