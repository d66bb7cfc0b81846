"""Writes the dashboards: ``make dashboards``. With ``--check`` it says which are not current, and changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from camera import camera
from city import city
from fleet import fleet
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from objectives import objectives
from pages import MARKS
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

FOREIGN = ("auto", "auto_count", "auto_min", "id")
"""What the builder writes into every variable, and Grafana does not know of these."""


def main(*, check: bool) -> int:
    """Write or compare; the exit code."""
    stale = []
    for name, make in ALL.items():
        text = _mended(JSONEncoder(sort_keys=True, indent=2).encode(make().build())) + "\n"
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


def _mended(text: str) -> str:
    """A dashboard's JSON with what the builder of annotations does not know, and without what Grafana does not."""
    made = json.loads(text)
    made.pop("style", None)
    for variable in made["templating"]["list"]:
        for name in FOREIGN:
            variable.pop(name, None)
    for annotation in made.get("annotations", {}).get("list", ()):
        annotation.update(MARKS[annotation["name"]])
    return json.dumps(made, sort_keys=True, indent=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    sys.exit(main(check=parser.parse_args().check))
