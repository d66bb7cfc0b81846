"""Connections never take the files that the store needs."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from aggregator.open_files import RESERVED

ASK = """
import resource, sys
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from aggregator.open_files import connections_within
print(connections_within(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "fit", "raised_to"),
    [
        (1000, 4096, 100, 100, 1000),
        (600, 4096, 2000, 2000, 2000 + RESERVED),
        (600, 1000, 2000, 1000 - RESERVED, 1000),
        (256, 256, 2000, 1, 256),
    ],
)
def test_room_is_made_as_far_as_it_is_allowed(soft: int, hard: int, wanted: int, fit: int, raised_to: int) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("this machine allows fewer open files")
    said = subprocess.run(
        [sys.executable, "-c", ASK, str(soft), str(hard), str(wanted)], capture_output=True, text=True, check=True
    )
    assert said.stdout.split("\n")[-2].split() == [str(fit), str(raised_to)]
