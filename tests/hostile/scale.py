"""How much is tried: a bounded part by default, all of it with CLEARWAY_FAULTS=long."""

from __future__ import annotations

import os

LONG = os.environ.get("CLEARWAY_FAULTS") == "long"
FUZZED_MESSAGES = 200_000 if LONG else 1_500
HOSTILE_CLIENTS = 10_000 if LONG else 120
