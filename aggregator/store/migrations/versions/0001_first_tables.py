"""The first tables: agents and their queues, incidents, camera states, gaps, rejected events and tallies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.String(128)
WORD = sa.String(32)
MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Float(53)


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("agent_version", ID, nullable=False),
        sa.Column("model_version", ID, nullable=False),
        sa.Column("config_version", ID, nullable=False),
        sa.Column("platform", ID, nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat", sa.LargeBinary(), nullable=True),
        sa.Column("heartbeat_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agents")),
    )
    op.create_table(
        "camera_states",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("camera_id", ID, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_camera_states_agent_id")),
        sa.PrimaryKeyConstraint("agent_id", "camera_id", name=op.f("pk_camera_states")),
    )
    op.create_table(
        "incidents",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("camera_id", ID, nullable=False),
        sa.Column("zone_id", ID, nullable=False),
        sa.Column("scenario", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("class_group", WORD, nullable=False),
        sa.Column("class_name", ID, nullable=False),
        sa.Column("stay_id", ID, nullable=False),
        sa.Column("phase", WORD, nullable=False),
        sa.Column("severity", WORD, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("close_reason", WORD, nullable=True),
        sa.Column("stay_from", MOMENT, nullable=True),
        sa.Column("open_start", sa.Boolean(), nullable=False),
        sa.Column("dwell_observed_s", NUMBER, nullable=False),
        sa.Column("dwell_occluded_s", NUMBER, nullable=False),
        sa.Column("dwell_unknown_s", NUMBER, nullable=False),
        sa.Column("limit_s", NUMBER, nullable=False),
        sa.Column("box_x1", NUMBER, nullable=True),
        sa.Column("box_y1", NUMBER, nullable=True),
        sa.Column("box_x2", NUMBER, nullable=True),
        sa.Column("box_y2", NUMBER, nullable=True),
        sa.Column("clear_width_m", NUMBER, nullable=True),
        sa.Column("clear_width_uncertainty_m", NUMBER, nullable=True),
        sa.Column("model_version", ID, nullable=False),
        sa.Column("config_version", ID, nullable=False),
        sa.Column("first_received_at", MOMENT, nullable=False),
        sa.Column("last_received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_incidents_agent_id")),
        sa.PrimaryKeyConstraint("agent_id", "incident_id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_closed_at_last_received_at"), "incidents", ["closed_at", "last_received_at"])
    op.create_index(op.f("ix_incidents_opened_at"), "incidents", ["opened_at"])
    op.create_table(
        "streams",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("committed_seq", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("stored_events", sa.BigInteger(), nullable=False),
        sa.Column("rejected_events", sa.BigInteger(), nullable=False),
        sa.Column("duplicate_events", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("committed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_streams_agent_id")),
        sa.PrimaryKeyConstraint("agent_id", "epoch", name=op.f("pk_streams")),
    )
    op.create_table(
        "tallies",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("camera_id", ID, nullable=False),
        sa.Column("zone_id", ID, nullable=False),
        sa.Column("scenario", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("class_group", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("value", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_tallies_agent_id")),
        sa.PrimaryKeyConstraint(
            "agent_id", "camera_id", "zone_id", "scenario", "kind", "class_group", "name", name=op.f("pk_tallies")
        ),
    )
    op.create_table(
        "camera_state_changes",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("camera_id", ID, nullable=False),
        sa.Column("from_state", WORD, nullable=False),
        sa.Column("to_state", WORD, nullable=False),
        sa.Column("observed_at", MOMENT, nullable=False),
        sa.Column("media_time_s", NUMBER, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id", "epoch"],
            ["streams.agent_id", "streams.epoch"],
            name=op.f("fk_camera_state_changes_agent_id_epoch"),
        ),
        sa.PrimaryKeyConstraint("agent_id", "epoch", "seq", name=op.f("pk_camera_state_changes")),
    )
    op.create_index(op.f("ix_camera_state_changes_received_at"), "camera_state_changes", ["received_at"])
    op.create_table(
        "evidence_references",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("moment", WORD, nullable=False),
        sa.Column("media_type", ID, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("captured_at", MOMENT, nullable=True),
        sa.Column("media_time_s", NUMBER, nullable=False),
        sa.Column("people_masked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id", "incident_id"],
            ["incidents.agent_id", "incidents.incident_id"],
            name=op.f("fk_evidence_references_agent_id_incident_id"),
        ),
        sa.PrimaryKeyConstraint("agent_id", "incident_id", "sha256", "moment", name=op.f("pk_evidence_references")),
    )
    op.create_table(
        "gap_records",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("reason", WORD, nullable=False),
        sa.Column("events_lost", sa.BigInteger(), nullable=False),
        sa.Column("first_lost_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_lost_seq", sa.BigInteger(), nullable=False),
        sa.Column("lost_from", MOMENT, nullable=True),
        sa.Column("lost_to", MOMENT, nullable=True),
        sa.Column("explained", sa.Boolean(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id", "epoch"], ["streams.agent_id", "streams.epoch"], name=op.f("fk_gap_records_agent_id_epoch")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap_records")),
    )
    op.create_index(op.f("ix_gap_records_agent_id_epoch"), "gap_records", ["agent_id", "epoch"])
    op.create_table(
        "incident_events",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("incident_id", ID, nullable=False),
        sa.Column("phase", WORD, nullable=False),
        sa.Column("observed_at", MOMENT, nullable=False),
        sa.Column("emitted_at", MOMENT, nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id", "epoch"], ["streams.agent_id", "streams.epoch"], name=op.f("fk_incident_events_agent_id_epoch")
        ),
        sa.ForeignKeyConstraint(
            ["agent_id", "incident_id"],
            ["incidents.agent_id", "incidents.incident_id"],
            name=op.f("fk_incident_events_agent_id_incident_id"),
        ),
        sa.PrimaryKeyConstraint("agent_id", "epoch", "seq", name=op.f("pk_incident_events")),
    )
    op.create_index(op.f("ix_incident_events_agent_id_incident_id"), "incident_events", ["agent_id", "incident_id"])
    op.create_index(op.f("ix_incident_events_received_at"), "incident_events", ["received_at"])
    op.create_table(
        "rejected_events",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id", "epoch"], ["streams.agent_id", "streams.epoch"], name=op.f("fk_rejected_events_agent_id_epoch")
        ),
        sa.PrimaryKeyConstraint("agent_id", "epoch", "seq", name=op.f("pk_rejected_events")),
    )
    op.create_index(op.f("ix_rejected_events_received_at"), "rejected_events", ["received_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_rejected_events_received_at"), table_name="rejected_events")
    op.drop_table("rejected_events")
    op.drop_index(op.f("ix_incident_events_received_at"), table_name="incident_events")
    op.drop_index(op.f("ix_incident_events_agent_id_incident_id"), table_name="incident_events")
    op.drop_table("incident_events")
    op.drop_index(op.f("ix_gap_records_agent_id_epoch"), table_name="gap_records")
    op.drop_table("gap_records")
    op.drop_table("evidence_references")
    op.drop_index(op.f("ix_camera_state_changes_received_at"), table_name="camera_state_changes")
    op.drop_table("camera_state_changes")
    op.drop_table("tallies")
    op.drop_table("streams")
    op.drop_index(op.f("ix_incidents_opened_at"), table_name="incidents")
    op.drop_index(op.f("ix_incidents_closed_at_last_received_at"), table_name="incidents")
    op.drop_table("incidents")
    op.drop_table("camera_states")
    op.drop_table("agents")
