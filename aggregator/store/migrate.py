"""Brings a database to the tables that this version knows."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from aggregator.store.errors import StoreError, told_apart

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x636C656172776179  # "clearway": replicas that start together migrate one after the other


class Standing(Enum):
    """How a database's tables compare with the ones that this version knows."""

    NEW = "new"
    CURRENT = "current"
    BEHIND = "behind"


def standing(engine: Engine) -> Standing:
    """Where the database stands. Raises ``StoreError`` if its tables are not Clearway's, or newer than this version."""
    with told_apart(), engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is None:
            if set(inspect(connection).get_table_names()) - {"alembic_version"}:
                raise StoreError(
                    "the database holds tables that are not Clearway's: give the aggregator one of its own"
                )
            return Standing.NEW
        scripts = ScriptDirectory.from_config(_config(connection))
        known = {script.revision for script in scripts.walk_revisions()}
        if revision not in known:
            raise StoreError(
                f"the store was made by a newer version of Clearway (tables {revision}): update the aggregator"
            )
        return Standing.CURRENT if revision == scripts.get_current_head() else Standing.BEHIND


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the tables to revision ``to``, in one transaction. Raises ``StoreError``."""
    with told_apart(), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        command.upgrade(_config(connection), to)


def downgrade(engine: Engine, to: str = "base") -> None:
    """Take the tables back to revision ``to``, in one transaction. Raises ``StoreError``."""
    with told_apart(), engine.begin() as connection:
        command.downgrade(_config(connection), to)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
