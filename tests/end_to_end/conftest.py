"""Fixtures of the tests that run whole programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.running import Folder, folder_at


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """Where a test's programs keep everything; they end with the test."""
    with folder_at(tmp_path) as folder:
        yield folder
