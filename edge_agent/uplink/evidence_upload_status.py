"""How uploads of stills are doing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvidenceUploadStatus:
    """``pending`` stills wait now; the others count since the agent started.

    ``uploaded`` stills are at the aggregator and verified; ``failures`` are attempts that were interrupted;
    ``given_up`` stills will never be there: refused for good, damaged, or deleted to stay within the quota.
    ``sent_bytes`` counts what was sent, some of it perhaps twice.
    """

    pending: int = 0
    uploaded: int = 0
    failures: int = 0
    given_up: int = 0
    sent_bytes: int = 0
