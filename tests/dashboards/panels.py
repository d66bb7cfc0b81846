"""The committed dashboards, read as Grafana would: their panels, and what each asks Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "config/grafana/dashboards"
FILES = sorted(FOLDER.glob("*.json"))

CHOSEN = {
    "district": "310115",
    "street": "lujiazui",
    "agent": "demo",
    "camera": "footbridge",
    "instance": ".*",
    "__range": "1h",
}
"""What a person would have chosen on the demo's data."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one panel."""

    dashboard: str
    panel: str
    ref: str
    expr: str

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel} ({self.ref})"


def load(path: Path) -> dict[str, Any]:
    """A dashboard."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels but headings."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panels(panel)
        else:
            yield panel


def asked(dashboard: Mapping[str, Any]) -> Iterator[Asked]:
    """All queries, those of annotations too, with the variables still in them."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            yield Asked(dashboard["title"], panel["title"], target["refId"], target["expr"])
    for annotation in dashboard.get("annotations", {}).get("list", ()):
        yield Asked(dashboard["title"], annotation["name"], "annotation", annotation["expr"])


def filled(expr: str, chosen: Mapping[str, str] = CHOSEN) -> str:
    """The expression with its variables replaced by what a person chose."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: chosen[match[1]], expr)


def chosen_at_first(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """The same, but all where several may be chosen: what a person sees who comes to a dashboard."""
    all_of = {
        variable["name"]: variable["allValue"]
        for variable in dashboard["templating"]["list"]
        if variable.get("includeAll")
    }
    return CHOSEN | all_of
