"""How much of a fault test is run: a bounded part with every change, all of it by ``make faults``."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

LONG = os.environ.get("CLEARWAY_FAULTS") == "long"


def extent(short: T, long: T) -> T:
    """``long`` when the environment says ``CLEARWAY_FAULTS=long``, else ``short``."""
    return long if LONG else short
