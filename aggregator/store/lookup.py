"""Rows by keys of several columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table

from aggregator.store.upsert import parts


class Lookup:
    """Finds rows by their ``key``. Gives the columns of the key, then ``columns``, as the driver has them.

    The keys are joined as a table: of a list after ``IN`` SQLite makes no use of an index, and reads the whole table.
    """

    def __init__(self, table: Table, key: Sequence[str], columns: Sequence[str]) -> None:
        self._table, self._key, self._columns = table.name, tuple(key), (*key, *columns)
        self._statement = cache(self._written)

    def __call__(self, connection: Connection, keys: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """The rows that there are, in any order."""
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        for part in parts(keys):
            statement = self._statement(mark, len(part))
            yield from connection.exec_driver_sql(statement, tuple(chain.from_iterable(part)))

    def _written(self, mark: str, count: int) -> str:
        columns = ", ".join(f"{self._table}.{name}" for name in self._columns)
        wanted = ", ".join(f"wanted_{name}" for name in self._key)
        same = " AND ".join(f"{self._table}.{name} = wanted_{name}" for name in self._key)
        values = ", ".join([f"({', '.join([mark] * len(self._key))})"] * count)
        return f"WITH wanted ({wanted}) AS (VALUES {values}) SELECT {columns} FROM wanted JOIN {self._table} ON {same}"
