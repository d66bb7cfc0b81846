"""What gRPC is told about connections: how long they may do nothing, and how much they may hold."""

from __future__ import annotations

from aggregator.config import AggregatorConfig
from aggregator.open_files import connections_within

HANDSHAKE_S = 10
"""TCP, TLS and the first frames of HTTP/2: a mobile link that wakes up takes several seconds."""
IDLE_S = 300
"""A connection without a call is ended; an agent that is well has its stream."""
STREAMS_OF_A_CONNECTION = 16
"""With certificates a connection is one agent's, which has one call on each. In plain text it may be a proxy's."""
METADATA_BYTES = 8 * 1024
"""An agent sends its id, and gRPC a dozen short headers."""
TLS_FRAME_BYTES = 2 * 1024
"""What goes down is acks of some dozen bytes, and gRPC holds a buffer of such a frame, else 16 KiB, for each agent."""

Options = tuple[tuple[str, int], ...]

KEEPALIVE: Options = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Agents behind mobile networks ping often; the default of two would answer with GOAWAY too_many_pings.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 1_000),
)
COMMON: Options = (
    ("grpc.so_reuseport", 0),  # a port in use is an error, not two servers sharing its agents
    ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
    ("grpc.http2.settings_timeout", HANDSHAKE_S * 1000),
    ("grpc.tsi.max_frame_size", TLS_FRAME_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
)
ONE_AGENT: Options = (("grpc.max_concurrent_streams", STREAMS_OF_A_CONNECTION),)


def server_options(config: AggregatorConfig) -> Options:
    """For the port that agents with a certificate use. Makes room for its connections."""
    limit = config.stream.max_message_bytes
    return (
        *COMMON,
        *KEEPALIVE,
        *(() if config.insecure else ONE_AGENT),
        ("grpc.max_connection_idle_ms", IDLE_S * 1000),
        ("grpc.max_allowed_incoming_connections", connections_within(config.limits.max_connections)),
        ("grpc.max_receive_message_length", limit),
        ("grpc.max_send_message_length", limit),
    )


def enrollment_options(max_request_bytes: int, max_connections: int) -> Options:
    """For the port that strangers use: a call takes a moment, so nobody may stay."""
    return (
        *COMMON,
        *ONE_AGENT,
        ("grpc.max_connection_idle_ms", HANDSHAKE_S * 1000),
        ("grpc.max_connection_age_ms", HANDSHAKE_S * 1000),
        ("grpc.max_connection_age_grace_ms", HANDSHAKE_S * 1000),
        ("grpc.max_allowed_incoming_connections", max_connections),
        ("grpc.max_receive_message_length", max_request_bytes),
    )
