"""Fixtures of the tests under faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aggregator.postgresql import Cluster, cluster
from tests.end_to_end.running import Folder, folder_at


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """Where a test's programs keep everything; they end with the test."""
    with folder_at(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A private PostgreSQL, or a skip."""
    with cluster() as running:
        yield running
