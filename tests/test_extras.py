"""Each program says what it lacks when only the other's needs are installed."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("package", "command", "lacking"),
    [("edge_agent", "clearway-agent", "cv2"), ("aggregator", "clearway-aggregator", "sqlalchemy")],
)
def test_a_program_without_its_extra_says_what_to_install(package: str, command: str, lacking: str) -> None:
    script = f"import sys; sys.modules[{lacking!r}] = None; from {package}.entry import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{command} needs {lacking}" in done.stderr
