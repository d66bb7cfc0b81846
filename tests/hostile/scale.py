"""How much is tried: a bounded part by default, all of it with CLEARWAY_FAULTS=long."""

from __future__ import annotations

import os

LONG = os.environ.get("CLEARWAY_FAULTS") == "long"
CHECKED_MESSAGES = 200_000 if LONG else 2_000
SENT_MESSAGES = 50_000 if LONG else 600
"""Each costs some four milliseconds of processor time, most of it gRPC's on both sides."""
HOSTILE_CLIENTS = 10_000 if LONG else 96
TIMEOUT_S = 3600 if LONG else 300
"""For one test."""
