"""Do two replays say the same? python same_events.py ONE.jsonl OTHER.jsonl

Processors round differently in the last place: boxes may differ by a pixel, and so do the ids that are derived from
them; everything else must be the same.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_BOX_PX = 1.0


def events(path: str) -> list[dict[str, Any]]:
    """The events of a replay."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Exit 1 unless they do."""
    one, other = events(sys.argv[1]), events(sys.argv[2])
    if not one or len(one) != len(other):
        raise SystemExit(f"{len(one)} and {len(other)} events")
    for left, right in zip(one, other, strict=True):
        boxes = left.pop("box") or (), right.pop("box") or ()
        del left["incident_id"], right["incident_id"]
        if left != right or any(abs(a - b) > _BOX_PX for a, b in zip(*boxes, strict=True)):
            raise SystemExit(f"different events:\n{left}\n{right}")
    print(f"{len(one)} events, the same on both machines")


if __name__ == "__main__":
    main()
