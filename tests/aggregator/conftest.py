"""Fixtures of the aggregator's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL, make_url

from aggregator.store.store import Store
from tests.aggregator.harness import PLAIN, Process
from tests.aggregator.postgresql import Cluster, cluster


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs an asynchronous test to its end, 30 seconds at most."""

    def run_it(test: Coroutine[Any, Any, None]) -> None:
        asyncio.run(asyncio.wait_for(test, 30))

    return run_it


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    """A store that is not there yet."""
    return make_url(f"sqlite:///{tmp_path}/clearway.sqlite")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    """An aggregator process with a new SQLite store."""
    process = Process(tmp_path, PLAIN)
    yield process
    process.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A private PostgreSQL, or a skip."""
    with cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A store that is not there yet, on each kind of database."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path}/clearway.sqlite")
    url: URL = request.getfixturevalue("postgresql").new_database()
    return url


@pytest.fixture
def store(any_url: URL) -> Iterator[Store]:
    """A new store, with its tables, on each kind of database."""
    with Store(any_url) as opened:
        opened.migrate()
        yield opened
