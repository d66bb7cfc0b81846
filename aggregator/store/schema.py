"""The tables. A migration brings a database here; a test proves that both say the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(128)
WORD = String(32)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES = tuple(f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(24 * 60))


@lru_cache(maxsize=1024)
def _day(since_1970: int) -> str:
    return f"{_EPOCH.date() + timedelta(since_1970)} "


def sqlite_time(value: datetime | None) -> str | None:
    """A moment as SQLite holds it: UTC, with a space between day and hour, to the microsecond."""
    if value is None:
        return None
    since = value - _EPOCH
    minute, second = divmod(since.seconds, 60)
    return f"{_day(since.days)}{_MINUTES[minute]}{second:02d}.{since.microseconds:06d}"


def sqlite_times(values: Iterable[datetime | None]) -> Iterator[str | None]:
    """The same for many, of which neighbours are often one and the same."""
    last, text = None, None
    for value in values:
        if value is not last:
            last, text = value, sqlite_time(value)
        yield text


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        """A function from a value to what the driver takes."""
        return sqlite_time if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


agents = Table(
    "agents",
    metadata,
    Column("agent_id", ID, primary_key=True),
    Column("state", WORD, nullable=False),
    Column("agent_version", ID, nullable=False),
    Column("model_version", ID, nullable=False),
    Column("config_version", ID, nullable=False),
    Column("platform", ID, nullable=False),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("heartbeat", LargeBinary),
    Column("heartbeat_at", UtcTime),
)

# The high-water row of each queue of each agent. It outlives its events, so that retention never lets one in again.
streams = Table(
    "streams",
    metadata,
    Column("agent_id", ID, ForeignKey("agents.agent_id"), primary_key=True),
    Column("epoch", LargeBinary(16), primary_key=True),
    Column("committed_seq", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("stored_events", BigInteger, nullable=False),
    Column("rejected_events", BigInteger, nullable=False),
    Column("duplicate_events", BigInteger, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("committed_at", UtcTime),
)

incidents = Table(
    "incidents",
    metadata,
    Column("agent_id", ID, ForeignKey("agents.agent_id"), primary_key=True),
    Column("incident_id", ID, primary_key=True),
    Column("camera_id", ID, nullable=False),
    Column("zone_id", ID, nullable=False),
    Column("scenario", WORD, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("class_group", WORD, nullable=False),
    Column("class_name", ID, nullable=False),
    Column("stay_id", ID, nullable=False),
    Column("phase", WORD, nullable=False),
    Column("severity", WORD, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("close_reason", WORD),
    Column("stay_from", UtcTime),
    Column("open_start", Boolean, nullable=False),
    Column("dwell_observed_s", Float(53), nullable=False),
    Column("dwell_occluded_s", Float(53), nullable=False),
    Column("dwell_unknown_s", Float(53), nullable=False),
    Column("limit_s", Float(53), nullable=False),
    Column("box_x1", Float(53)),
    Column("box_y1", Float(53)),
    Column("box_x2", Float(53)),
    Column("box_y2", Float(53)),
    Column("clear_width_m", Float(53)),
    Column("clear_width_uncertainty_m", Float(53)),
    Column("model_version", ID, nullable=False),
    Column("config_version", ID, nullable=False),
    Column("first_received_at", UtcTime, nullable=False),
    Column("last_received_at", UtcTime, nullable=False),
    Index(None, "closed_at", "last_received_at"),
    Index(None, "opened_at"),
)


def _numbered(*columns: Column[object]) -> tuple[Column[object] | ForeignKeyConstraint, ...]:
    """A sequence number of a stream as primary key, then ``columns``."""
    return (
        Column("agent_id", ID, primary_key=True),
        Column("epoch", LargeBinary(16), primary_key=True),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        *columns,
        Column("received_at", UtcTime, nullable=False, index=True),
        ForeignKeyConstraint(["agent_id", "epoch"], ["streams.agent_id", "streams.epoch"]),
    )


incident_events = Table(
    "incident_events",
    metadata,
    *_numbered(
        Column("incident_id", ID, nullable=False),
        Column("phase", WORD, nullable=False),
        Column("observed_at", UtcTime, nullable=False),
        Column("emitted_at", UtcTime),
        Column("payload", LargeBinary, nullable=False),
    ),
    ForeignKeyConstraint(["agent_id", "incident_id"], ["incidents.agent_id", "incidents.incident_id"]),
    Index(None, "agent_id", "incident_id"),
)

camera_state_changes = Table(
    "camera_state_changes",
    metadata,
    *_numbered(
        Column("camera_id", ID, nullable=False),
        Column("from_state", WORD, nullable=False),
        Column("to_state", WORD, nullable=False),
        Column("observed_at", UtcTime, nullable=False),
        Column("media_time_s", Float(53), nullable=False),
        Column("payload", LargeBinary, nullable=False),
    ),
)

# What each camera says now, from its changes and from heartbeats.
camera_states = Table(
    "camera_states",
    metadata,
    Column("agent_id", ID, ForeignKey("agents.agent_id"), primary_key=True),
    Column("camera_id", ID, primary_key=True),
    Column("state", WORD, nullable=False),
    Column("since", UtcTime),
    Column("received_at", UtcTime, nullable=False),
)

# Losses that agents report, and losses that a Hello shows; the second are explained when an agent reports them too.
gap_records = Table(
    "gap_records",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("agent_id", ID, nullable=False),
    Column("epoch", LargeBinary(16), nullable=False),
    Column("seq", BigInteger),
    Column("reason", WORD, nullable=False),
    Column("events_lost", BigInteger, nullable=False),
    Column("first_lost_seq", BigInteger, nullable=False),
    Column("last_lost_seq", BigInteger, nullable=False),
    Column("lost_from", UtcTime),
    Column("lost_to", UtcTime),
    Column("explained", Boolean, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    ForeignKeyConstraint(["agent_id", "epoch"], ["streams.agent_id", "streams.epoch"]),
    Index(None, "agent_id", "epoch"),
)

evidence_references = Table(
    "evidence_references",
    metadata,
    Column("agent_id", ID, primary_key=True),
    Column("incident_id", ID, primary_key=True),
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("moment", WORD, primary_key=True),
    Column("media_type", ID, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("captured_at", UtcTime),
    Column("media_time_s", Float(53), nullable=False),
    Column("people_masked", Boolean, nullable=False),
    ForeignKeyConstraint(["agent_id", "incident_id"], ["incidents.agent_id", "incidents.incident_id"]),
)

rejected_events = Table(
    "rejected_events",
    metadata,
    *_numbered(
        Column("reason", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
    ),
)

# Sums over incidents, kept in the same transaction as the incidents, so that they outlive retention.
tallies = Table(
    "tallies",
    metadata,
    Column("agent_id", ID, ForeignKey("agents.agent_id"), primary_key=True),
    Column("camera_id", ID, primary_key=True),
    Column("zone_id", ID, primary_key=True),
    Column("scenario", WORD, primary_key=True),
    Column("kind", WORD, primary_key=True),
    Column("class_group", WORD, primary_key=True),
    Column("name", WORD, primary_key=True),
    Column("value", Float(53), nullable=False),
)

# The same by street, and the seconds that heartbeats told. A sum belongs to the street in which the camera stood when
# it grew, so that no street's sum ever falls; for each agent apart, so that replicas do not wait for each other.
street_sums = Table(
    "street_sums",
    metadata,
    Column("agent_id", ID, ForeignKey("agents.agent_id"), primary_key=True),
    Column("district", ID, primary_key=True),
    Column("street", ID, primary_key=True),
    Column("scenario", WORD, primary_key=True),
    Column("kind", WORD, primary_key=True),
    Column("name", WORD, primary_key=True),
    Column("value", Float(53), nullable=False),
)
