"""Fixtures of the aggregator's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL, make_url

from tests.aggregator.harness import PLAIN, Process


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
