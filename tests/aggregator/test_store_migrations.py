"""Migrations, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL

from aggregator.service import open_store
from aggregator.store import migrate
from aggregator.store.errors import StoreError
from aggregator.store.migrate import Standing
from aggregator.store.schema import metadata
from aggregator.store.store import Store
from tests.aggregator.harness import config_for

NEXT_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "9998"
down_revision = "0002"


def upgrade():
    op.add_column("incidents", sa.Column("note", sa.Text()))


def downgrade():
    op.drop_column("incidents", "note")
"""


def execute(url: URL, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_migrations_bring_an_empty_database_to_the_tables_that_the_code_knows(store: Store, any_url: URL) -> None:
    assert store.standing() is Standing.CURRENT
    engine = create_engine(any_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrations_go_down_and_up_again(store: Store, any_url: URL) -> None:
    store.downgrade("base")
    engine = create_engine(any_url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    store.migrate()
    assert store.standing() is Standing.CURRENT


def test_a_new_store_gets_its_tables_by_itself(any_url: URL) -> None:
    with Store(any_url) as new:
        assert new.standing() is Standing.NEW
    with open_store(config_for(any_url), migrate=False) as opened:
        assert opened.standing() is Standing.CURRENT


def test_two_replicas_that_start_together_make_the_tables_once(any_url: URL) -> None:
    def start(_: int) -> Standing:
        with Store(any_url) as replica:
            replica.migrate()
            return replica.standing()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(start, range(2))) == [Standing.CURRENT] * 2


def test_an_older_store_is_refused_unless_migration_is_asked_for(
    store: Store, any_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_version_on = tmp_path / "migrations"
    shutil.copytree(migrate._MIGRATIONS, a_version_on)
    (a_version_on / "versions" / "9998_next.py").write_text(NEXT_MIGRATION, encoding="utf-8")
    monkeypatch.setattr(migrate, "_MIGRATIONS", a_version_on)
    assert store.standing() is Standing.BEHIND
    with pytest.raises(StoreError, match="back it up, then run 'clearway-aggregator migrate'"):
        open_store(config_for(any_url), migrate=False)
    with open_store(config_for(any_url), migrate=True) as opened:
        assert opened.standing() is Standing.CURRENT


def test_a_store_of_a_newer_version_is_refused(store: Store, any_url: URL) -> None:
    execute(any_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer version of Clearway"):
        open_store(config_for(any_url), migrate=True)


def test_a_database_that_belongs_to_something_else_is_left_alone(any_url: URL) -> None:
    execute(any_url, "CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(StoreError, match="not Clearway's"):
        open_store(config_for(any_url), migrate=True)
