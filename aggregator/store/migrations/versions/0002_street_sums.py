"""Sums by street, which never fall: incidents, and the seconds that agents report of cameras and zones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.String(128)
WORD = sa.String(32)


def upgrade() -> None:
    op.create_table(
        "street_sums",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("district", ID, nullable=False),
        sa.Column("street", ID, nullable=False),
        sa.Column("scenario", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.agent_id"], name=op.f("fk_street_sums_agent_id")),
        sa.PrimaryKeyConstraint(
            "agent_id", "district", "street", "scenario", "kind", "name", name=op.f("pk_street_sums")
        ),
    )


def downgrade() -> None:
    op.drop_table("street_sums")
