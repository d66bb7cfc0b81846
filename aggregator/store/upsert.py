"""Insert-or-update, as both databases know it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from aggregator.store.schema import UtcTime, sqlite_times

Change = Callable[[Any], Mapping[str, ColumnElement[Any]]]
"""What becomes of a row that is there already, given the one that was to be inserted."""

T = TypeVar("T")

Row = tuple[Any, ...]
"""A value for each column of a table, in their order."""

_VALUES, _ON_CONFLICT = " VALUES ", " ON CONFLICT "

AT_ONCE = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement. Few sizes, so that every statement is compiled once; more than one, because SQLite's driver
lets other threads run, and then waits for them, once a statement. 256 rows of the widest table are a quarter of the
values that SQLite and PostgreSQL take."""


def leave(_excluded: Any) -> Mapping[str, ColumnElement[Any]]:
    """The change that is none."""
    return {}


def parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """``rows`` in parts that are each as long as one of ``AT_ONCE``."""
    first = 0
    for size in AT_ONCE:
        while len(rows) - first >= size:
            yield rows[first : first + size]
            first += size


class Insert:
    """Puts rows into a table. Where the primary key is there already, ``change`` is applied; without one it fails."""

    def __init__(self, table: Table, change: Change | None = None) -> None:
        self._table = table
        self._change = change
        self._width = len(table.columns)
        self._times = [place for place, column in enumerate(table.columns) if isinstance(column.type, UtcTime)]
        self._statement = cache(self._compile)

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert ``rows``, no two with the same primary key.

        Callers sort them by it: two replicas that upsert in different orders would wait for each other.
        """
        dialect = connection.dialect.name
        for part in parts(rows):
            values = list(chain.from_iterable(part))
            if dialect == "sqlite":
                for place in self._times:
                    values[place :: self._width] = sqlite_times(values[place :: self._width])
            connection.exec_driver_sql(self._statement(dialect, len(part)), tuple(values))

    def _compile(self, dialect: str, rows: int) -> str:
        of_postgresql = dialect == "postgresql"
        statement = _statement(self._table, self._change, of_postgresql=of_postgresql)
        kind: Any = partial(PGDialect_psycopg, paramstyle="format") if of_postgresql else SQLiteDialect_pysqlite
        head, _, rest = str(statement.compile(dialect=kind())).partition(_VALUES)
        one, on, conflict = rest.partition(_ON_CONFLICT)
        return head + _VALUES + ", ".join([one] * rows) + on + conflict


def insert_or(connection: Connection, table: Table, row: Mapping[str, Any], change: Change) -> None:
    """The same for one row that leaves some columns to their defaults."""
    connection.execute(_statement(table, change, of_postgresql=connection.dialect.name == "postgresql"), dict(row))


def _statement(table: Table, change: Change | None, *, of_postgresql: bool) -> Any:
    key = [column.name for column in table.primary_key]
    statement: Any = (postgresql.insert if of_postgresql else sqlite.insert)(table)
    if change is None:
        return statement
    changes = dict(change(statement.excluded))
    if not changes:
        return statement.on_conflict_do_nothing(index_elements=key)
    return statement.on_conflict_do_update(index_elements=key, set_=changes)


def replace_all(table: Table, keep: Iterable[str] = ()) -> Change:
    """A change that takes every new value but the key's and those of ``keep``."""
    left = {column.name for column in table.primary_key} | set(keep)
    names = [column.name for column in table.columns if column.name not in left]
    return lambda excluded: {name: excluded[name] for name in names}
