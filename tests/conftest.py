"""Where tests find recordings and models that are kept outside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def _outside(folder: Path, what: str) -> Path:
    if not folder.is_dir():
        pytest.skip(f"{what} are not here: expected them at ../shared/{folder.name} beside the project")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's own folder."""
    return ROOT


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of recordings, or a skip."""
    return _outside(SHARED / "footage", "recordings")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of development models, or a skip."""
    return _outside(SHARED / "models", "development models")
