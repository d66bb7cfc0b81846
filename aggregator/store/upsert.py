"""Insert-or-update, as both databases know it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]


def insert_or(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    change: Callable[[Any], Mapping[str, ColumnElement[Any]]] | None = None,
) -> None:
    """Insert ``rows``. Where the primary key is there already, apply ``change(excluded)``, or leave the row be.

    Callers sort the rows by primary key: two replicas that upsert in different orders would wait for each other.
    """
    if not rows:
        return
    key = [column.name for column in table.primary_key]
    statement = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)
    if change is None:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    else:
        statement = statement.on_conflict_do_update(index_elements=key, set_=dict(change(statement.excluded)))
    connection.execute(statement, [dict(row) for row in rows])


def replace_all(table: Table, keep: Iterable[str] = ()) -> Callable[[Any], Mapping[str, ColumnElement[Any]]]:
    """A change that takes every new value but the key's and those of ``keep``."""
    left = {column.name for column in table.primary_key} | set(keep)
    names = [column.name for column in table.columns if column.name not in left]
    return lambda excluded: {name: excluded[name] for name in names}
