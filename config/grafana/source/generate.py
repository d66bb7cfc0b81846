"""Writes the dashboards: ``make dashboards``. With ``--check`` it says which are not current, and changes nothing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from camera import camera
from city import city
from fleet import fleet
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from objectives import objectives
from pipeline import pipeline
from street import street

TO = Path(__file__).parents[1] / "dashboards"
ALL = {
    "city": city,
    "street": street,
    "camera": camera,
    "fleet": fleet,
    "pipeline": pipeline,
    "objectives": objectives,
}


def main(*, check: bool) -> int:
    """Write or compare; the exit code."""
    stale = []
    for name, make in ALL.items():
        text = JSONEncoder(sort_keys=True, indent=2).encode(make().build()) + "\n"
        path = TO / f"{name}.json"
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path))
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.stderr.write(f"not current: {', '.join(stale)}: run make dashboards\n")
        return 1
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    sys.exit(main(check=parser.parse_args().check))
